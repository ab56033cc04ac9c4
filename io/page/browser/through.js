// Traces a target through the model's own words to the prompt, as through.py and ways.py do; a test holds them equal.
// Positions count tokens. Each of the model's own words is a half-open range of them. Nothing here knows the page.
const MOST_STEPS = 5000; // of the search; with many short spans, the last of the ways may be missing

function takeShares(row, sign, hidden, weights) { // the scores of one sign over their sum, and the part of the others
  const shares = new Float64Array(row.length);
  let [raised, lowered] = [0, 0];
  for (let at = 0; at < row.length; at += 1) {
    if (hidden[at]) continue;
    const score = sign * row[at] * (weights?.[at] ?? 1);
    shares[at] = Math.max(score, 0);
    raised += shares[at];
    lowered += Math.max(-score, 0);
  }
  if (raised) for (let at = 0; at < row.length; at += 1) shares[at] /= raised;
  return { shares, passesOn: raised > 0, lost: raised + lowered ? lowered / (raised + lowered) : 0 };
}

function buildChain(row, words, links) { // words in order; row and links: what takeShares gives for target and words
  const arrived = row.shares.slice();
  const flow = new Float64Array(words.length);
  let [lost, passed] = [row.lost, 1];
  for (let number = words.length - 1; number >= 0; number -= 1) {
    const { shares, passesOn, lost: own } = links[number];
    const [start, stop] = words[number];
    flow[number] = POOLS.sum(arrived, start, stop);
    lost += flow[number] * own;
    passed += flow[number];
    if (!flow[number] || !passesOn) continue;
    arrived.fill(0, start, stop);
    for (let at = 0; at < shares.length; at += 1) arrived[at] += flow[number] * shares[at];
  }
  return { row: row.shares, words, links: links.map(({ shares }) => shares), flow, arrived, clipped: lost / passed };
}

function poolChain({ row, words, links, flow, arrived, clipped }, bounds) { // what passes several words of a span counts once
  const spanOf = numberTokens(bounds);
  const [direct, total] = [new Float64Array(bounds.length - 1), new Float64Array(bounds.length - 1)];
  const add = (sums, shares, weight, home) => {
    for (let at = 0; at < shares.length; at += 1) if (spanOf[at] !== home) sums[spanOf[at]] += weight * shares[at];
  };
  add(direct, row, 1, -1);
  add(total, row, 1, -1);
  links.forEach((shares, number) => { if (flow[number]) add(total, shares, flow[number], spanOf[words[number][0]]); });
  const ofOwn = (shares) => (words.length ? shares.subarray(words[0][0]).reduce((sum, share) => sum + share, 0) : 0);
  return { direct, through: total.map((share, span) => share - direct[span]), total, own: ofOwn(row), stuck: ofOwn(arrived), clipped };
}

function numberTokens(bounds) { // the number of each token's span
  const spanOf = new Int32Array(bounds.at(-1));
  for (let span = 0; span + 1 < bounds.length; span += 1) spanOf.fill(span, bounds[span], bounds[span + 1]);
  return spanOf;
}

// ---- the strongest ways ----------------------------------------------------------------------------------------------

function findWays(chain, bounds, sources, nWays) { // sources: numbers of the prompt's spans; the strongest ways come first
  const { words, links, row } = chain;
  const spanOf = numberTokens(bounds);
  const stations = []; // each with its span, and the half-open range of its own words
  words.forEach(([token], number) => {
    if (stations.at(-1)?.span === spanOf[token]) stations.at(-1).stop = number + 1;
    else stations.push({ span: spanOf[token], start: number, stop: number + 1 });
  });
  const graph = { words, links, stations, sources, bounds, width: row.length };
  return search(graph, row, nWays).map(({ passed, source, share }) => ({ source: sources[source], share,
    stations: nameWords(graph, row, passed, sources[source]).reverse() }));
}

function search(graph, row, nWays) { // goes back from the target, and continues with the strongest beginning
  const waiting = new Heap();
  const [found, best] = [[], []]; // best: the largest shares of whole ways so far; what is less than the last of them is dropped
  const push = (share, item) => { if (share > 0 && !(share < best[nWays - 1])) waiting.push(share, item); };
  const enter = (given, passed) => {
    for (let number = 0; number < (passed.at(-1) ?? graph.stations.length); number += 1)
      push(sumEntries(graph, number, given), { passed: [...passed, number], given });
  };
  enter(row, []);
  for (let step = 0; step < MOST_STEPS && waiting.size && found.length < nWays; step += 1) {
    const { share, item } = waiting.pop();
    if ("source" in item) {
      found.push({ ...item, share });
      continue;
    }
    const given = handOn(graph, passWithin(graph, graph.stations[item.passed.at(-1)], item.given));
    const sums = graph.sources.map((span) => sumSpan(given, graph.bounds, span));
    const order = [...sums.keys()].sort((one, other) => sums[other] - sums[one] || one - other).slice(0, nWays);
    for (const source of order) push(sums[source], { passed: item.passed, source });
    best.push(...order.map((source) => sums[source]));
    best.sort((one, other) => other - one).splice(nWays);
    enter(given, item.passed);
  }
  return found;
}

function sumEntries({ stations, words }, number, given) {
  let sum = 0;
  for (let own = stations[number].start; own < stations[number].stop; own += 1) sum += POOLS.sum(given, ...words[own]);
  return sum;
}

function sumSpan(given, bounds, span) { return POOLS.sum(given, bounds[span], bounds[span + 1]); }

function passWithin({ words, links }, { start, stop }, given) { // the flow through each own word of a station, by number
  const flow = new Map();
  for (let own = start; own < stop; own += 1) flow.set(own, POOLS.sum(given, ...words[own]));
  for (let own = stop - 1; own > start; own -= 1)
    for (let earlier = start; earlier < own; earlier += 1)
      flow.set(earlier, flow.get(earlier) + flow.get(own) * POOLS.sum(links[own], ...words[earlier]));
  return flow;
}

function handOn({ links, width }, flow) { // what a station's own words give to each token
  const given = new Float64Array(width);
  for (const [own, weight] of flow) if (weight) for (let at = 0; at < links[own].length; at += 1) given[at] += weight * links[own][at];
  return given;
}

function nameWords(graph, row, passed, source) { // replays a way: each station's span, and its own word that hands most on
  let given = row;
  return passed.map((number, place) => {
    const flow = passWithin(graph, graph.stations[number], given);
    const next = graph.stations[passed[place + 1]];
    const handed = ([own, weight]) => weight * (next
      ? graph.words.slice(next.start, next.stop).reduce((sum, word) => sum + POOLS.sum(graph.links[own], ...word), 0)
      : sumSpan(graph.links[own], graph.bounds, source));
    const [own] = [...flow].reduce((one, other) => (handed(other) > handed(one) ? other : one));
    given = handOn(graph, flow);
    return { span: graph.stations[number].span, token: graph.words[own][0] };
  });
}

class Heap { // the largest share first, and among equals the one that came first
  #items = [];
  #order = 0;
  get size() { return this.#items.length; }

  #isBefore(one, other) {
    const [left, right] = [this.#items[one], this.#items[other]];
    return left.share > right.share || (left.share === right.share && left.order < right.order);
  }

  #swap(one, other) { [this.#items[one], this.#items[other]] = [this.#items[other], this.#items[one]]; }

  push(share, item) {
    let at = this.#items.push({ share, item, order: (this.#order += 1) }) - 1;
    for (let parent = (at - 1) >> 1; at > 0 && this.#isBefore(at, parent); parent = (at - 1) >> 1) {
      this.#swap(at, parent);
      at = parent;
    }
  }

  pop() {
    this.#swap(0, this.size - 1);
    const last = this.#items.pop();
    for (let at = 0; ;) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < this.size && this.#isBefore(child, first)) first = child;
      if (first === at) return last;
      this.#swap(at, first);
      at = first;
    }
  }
}
