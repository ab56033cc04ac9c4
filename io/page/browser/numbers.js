"use strict";
// What the browser computes, because storing it would make the page much larger: sums over a span's tokens (by two thirds),
// and which parts of two prompts belong together (with the square of their number). Python computes both, too
// (span_scores.py, comparison.py), and a test holds them equal. Nothing here knows the page.
const LARGEST_BLOCK = 40000; // pairs of parts that are weighed against each other; beyond, they are paired as they come
const UNLIKE = 1e-3; // what two parts with no word in common are worth as partners

function unpack(text, Numbers) { // a typed array from base64
  return new Numbers(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
}

const POOLS = { // one score from a source's tokens
  sum: (row, start, stop) => { let sum = 0; for (let at = start; at < stop; at += 1) sum += row[at]; return sum; },
  mean: (row, start, stop) => POOLS.sum(row, start, stop) / (stop - start),
  max: (row, start, stop) => { // the largest in size, with its sign
    let most = 0;
    for (let at = start; at < stop; at += 1) if (Math.abs(row[at]) > Math.abs(most) || (row[at] === -most && row[at] > 0)) most = row[at];
    return most;
  },
};

function poolEarlier(row, bounds, stop, pool) { // per span one score; 0 for a span that does not end by `stop`
  const scores = new Float64Array(bounds.length - 1);
  for (let span = 0; span < scores.length && bounds[span + 1] <= stop; span += 1) scores[span] = POOLS[pool](row, bounds[span], bounds[span + 1]);
  return scores;
}

function findPartner([first, last], texts, others) { // the first run that reads the same, else that of the same numbers
  const wanted = texts.slice(first, last + 1);
  for (let at = 0; at + wanted.length <= others.length; at += 1)
    if (wanted.every((text, step) => others[at + step] === text)) return [at, at + wanted.length - 1];
  const end = others.length - 1;
  return [Math.min(first, end), Math.min(last, end)];
}

function findRuns(left, right) { // [start, start2, length] of the longest run that both have, and of those beside it
  const places = new Map();
  right.forEach((text, j) => places.has(text) ? places.get(text).push(j) : places.set(text, [j]));
  const runs = [];
  for (const waiting = [[0, left.length, 0, right.length]]; waiting.length;) {
    const [start, stop, start2, stop2] = waiting.pop();
    let [at, at2, longest, lengths] = [start, start2, 0, new Map()];
    for (let i = start; i < stop; i += 1) {
      const next = new Map();
      for (const j of places.get(left[i]) ?? []) {
        if (j < start2) continue;
        if (j >= stop2) break;
        const length = (lengths.get(j - 1) ?? 0) + 1;
        next.set(j, length);
        if (length > longest) [at, at2, longest] = [i - length + 1, j - length + 1, length];
      }
      lengths = next;
    }
    if (longest) {
      runs.push([at, at2, longest]);
      waiting.push([start, at, start2, at2], [at + longest, stop, at2 + longest, stop2]);
    }
  }
  return runs.sort((one, other) => one[0] - other[0]);
}

function* listBlocks(left, right) { // what differs and what is the same in turn, as [same, start, stop, start2, stop2]
  let [i, j] = [0, 0];
  for (const [at, at2, length] of [...findRuns(left, right), [left.length, right.length, 0]]) {
    if (i < at || j < at2) yield [false, i, at, j, at2];
    [i, j] = [at + length, at2 + length];
    if (length) yield [true, at, i, at2, j];
  }
}

function align(left, right) { // numbers of the parts that are partners, in order; null where a part has none
  const pairs = [];
  for (const [same, start, stop, start2, stop2] of listBlocks(left, right)) {
    if (same) for (let at = start; at < stop; at += 1) pairs.push([at, start2 + at - start]);
    else for (const [i, j] of pairLikest(left.slice(start, stop), right.slice(start2, stop2)))
      pairs.push([i === null ? null : start + i, j === null ? null : start2 + j]);
  }
  return pairs;
}

function pairLikest(gone, come) { // partners in order, with as many words in common as possible
  const [words, words2] = [gone, come].map((texts) => texts.map((text) => text.split(/\s+/).filter(Boolean)));
  const far = gone.length * come.length > LARGEST_BLOCK;
  const worth = gone.map((_, i) => come.map((_, j) => (far ? Number(i === j) : likeness(words[i], words2[j]) + UNLIKE)));
  const best = Array.from({ length: gone.length + 1 }, () => new Float64Array(come.length + 1));
  for (let i = gone.length - 1; i >= 0; i -= 1) for (let j = come.length - 1; j >= 0; j -= 1)
    best[i][j] = Math.max(worth[i][j] + best[i + 1][j + 1], best[i + 1][j], best[i][j + 1]);
  const pairs = [];
  for (let i = 0, j = 0; i < gone.length || j < come.length;) {
    if (i < gone.length && j < come.length && best[i][j] === worth[i][j] + best[i + 1][j + 1]) pairs.push([i++, j++]);
    else if (j === come.length || (i < gone.length && best[i][j] === best[i + 1][j])) pairs.push([i++, null]);
    else pairs.push([null, j++]);
  }
  return pairs;
}

function likeness(one, other) { // Dice's coefficient of two bags of words
  const left = new Map();
  for (const word of one) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of other) if (left.get(word) > 0) { left.set(word, left.get(word) - 1); common += 1; }
  return one.length + other.length ? (2 * common) / (one.length + other.length) : 1;
}
