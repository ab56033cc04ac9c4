"use strict";
// One record a script element, read when it is first shown. Scores are 16-bit parts of their row's largest.
const N_LISTED = 10;
const WORDS = /\s+|[\p{L}\p{N}_]+(?:['’][\p{L}\p{N}_]+)*|[^\p{L}\p{N}_\s]/gu;
const LARGEST_BLOCK = 40000; // pairs of parts that are weighed against each other
const UNLIKE = 1e-3; // what two parts with no word in common are worth as partners
const dark = matchMedia("(prefers-color-scheme: dark)");
const $ = (id) => document.getElementById(id);
const RAMPS = JSON.parse($("ramps").textContent); // even steps, from nothing to the most
const NEUTRAL_INTENSITY = 0.4; // LIT's: a level is shown as it is
const nodes = [...document.querySelectorAll("script.record")];
const records = nodes.map(() => null);
const state = { id: 0, with: -1, method: "", targetBy: "", sourceBy: "", target: -1, target2: -1 };

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function record(number) {
  if (!records[number]) {
    const data = JSON.parse(nodes[number].textContent);
    data.cuts.token = data.tokens.map((_, at) => at).concat(data.tokens.length);
    records[number] = data;
  }
  return records[number];
}

function heads() {
  return nodes.map((node) => ({ id: node.dataset.id, label: node.dataset.label, start: node.dataset.start }));
}

// ---- scores ----------------------------------------------------------------------------------------------------------

function mapOf(data) { // the chosen method's; another prompt may not have it
  return data.methods.find((one) => one.name === state.method) ?? data.methods[0];
}

function row(data, by, number) {
  const matrix = mapOf(data).scores[by];
  if (!matrix.values) {
    const bytes = Uint8Array.from(atob(matrix.data), (character) => character.charCodeAt(0));
    matrix.values = new Int16Array(bytes.buffer);
    matrix.starts = [0];
    for (const length of matrix.lengths) matrix.starts.push(matrix.starts.at(-1) + length);
  }
  const part = matrix.values.subarray(matrix.starts[number], matrix.starts[number + 1]);
  return Float64Array.from(part, (value) => (value / 32767) * matrix.largest[number]);
}

function spans(data, by) {
  const bounds = data.cuts[by];
  return bounds.slice(0, -1).map((start, number) => ({ number, start, stop: bounds[number + 1] }));
}

function targets(data, by) { // the spans of the completion that have a row, in order
  return spans(data, by).filter((span) => span.stop > data.prompt_tokens)
    .map((span, order) => ({ ...span, order })).filter((span) => roleOf(data, span) === 2);
}

function roleOf(data, span) {
  let role = 0;
  for (let at = span.start; at < span.stop; at += 1) role = Math.max(role, data.tokens[at][1]);
  return role;
}

function textOf(data, span) {
  let text = "";
  for (let at = span.start; at < span.stop; at += 1) text += data.tokens[at][0];
  return text;
}

function scoreSources(data, target, targetBy, sourceBy) {
  const scores = row(data, targetBy, target.order);
  const sources = spans(data, sourceBy).map((span) => {
    let score = 0;
    for (let at = span.start; at < Math.min(span.stop, scores.length); at += 1) score += scores[at];
    const touched = span.start < target.stop && target.start < span.stop;
    const role = roleOf(data, span);
    const visible = role > 0 && !touched && span.start < target.start;
    return { ...span, role, touched, visible, score: visible ? score : 0 };
  });
  const total = sources.reduce((sum, source) => sum + Math.abs(source.score), 0);
  const strongest = Math.max(...sources.map((source) => Math.abs(source.score)), 0);
  for (const source of sources) {
    source.share = total ? source.score / total : 0;
    source.level = strongest ? source.score / strongest : 0;
  }
  return sources;
}

// ---- colours ---------------------------------------------------------------------------------------------------------

function colour(level, signed) {
  const ramps = RAMPS[dark.matches ? "dark" : "light"];
  const ramp = !signed ? ramps.violet : level < 0 ? ramps.pink : ramps.teal;
  const strength = Math.min(1, Math.pow(Math.abs(level), NEUTRAL_INTENSITY / Number($("intensity").value)));
  return ramp[Math.round(strength * (ramp.length - 1))];
}

function luminance([red, green, blue]) {
  const [r, g, b] = [red, green, blue].map((value) => value / 255)
    .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function paint(node, level, signed) {
  const shade = colour(level, signed);
  node.style.background = `rgb(${shade})`;
  node.style.color = luminance(shade) > 0.179 ? "#000" : "#fff"; // whichever contrasts more
}

// ---- one prompt ------------------------------------------------------------------------------------------------------

function draw(place, data, key) {
  const all = targets(data, state.targetBy);
  place.replaceChildren(element("h2", {}, data.id));
  if (data.label) place.append(element("p", { class: "facts" }, data.label));
  if (!all.length) {
    place.append(element("p", {}, "The completion is empty: there is nothing to explain."));
    return;
  }
  if (!all.some((one) => one.order === state[key])) state[key] = all[0].order;
  const target = all.find((one) => one.order === state[key]);
  const sources = scoreSources(data, target, state.targetBy, state.sourceBy);
  const probability = Math.exp(data.tokens.slice(target.start, target.stop).reduce((sum, token) => sum + (token[2] ?? 0), 0));
  const would = data.given ? "would" : "did";
  place.append(
    element("p", { class: "asked" }, `Why ${would} the model write `, element("mark", {}, shorten(textOf(data, target), 80)),
      foilOf(data, target), "?"),
    element("p", { class: "facts" }, `probability ${probability.toPrecision(3)}; ${data.stopped}`),
    element("p", { class: "facts" }, mapOf(data).words),
    drawText(data, all, target, sources, key), drawLegend(data), drawList(data, sources));
  if (mapOf(data).trust) place.append(element("p", { class: "facts trust" }, mapOf(data).trust));
}

function foilOf(data, target) { // what stands against these tokens, where something does
  if (!data.foil) return "";
  const text = data.foil.slice(Math.max(0, target.start - data.prompt_tokens), target.stop - data.prompt_tokens).filter(Boolean).join("");
  return text ? ` rather than “${shorten(text, 60)}”` : "";
}

function drawText(data, all, target, sources, key) {
  const page = element("div", { class: "text", dir: "auto", tabindex: "-1" });
  const completion = element("span", { class: "completion", role: "listbox", "aria-label": "Completion: choose what to explain" });
  const ofToken = [];
  for (const source of sources) for (let at = source.start; at < source.stop; at += 1) ofToken[at] = source;
  const pieces = (parent, start, stop, later) => {
    for (let at = start; at < stop;) {
      const source = ofToken[at];
      const end = Math.min(source.stop, stop);
      const text = textOf(data, { start: at, stop: end });
      const piece = element("span", { class: source.role ? "piece" : "special" }, text);
      if (source.visible && text) {
        paint(piece, source.level, mapOf(data).signed);
        piece.title = `${percent(source.share)} of all shading, score ${source.score.toPrecision(3)}`;
      } else if (later) piece.classList.add("later");
      parent.append(piece);
      at = end;
    }
  };
  pieces(page, 0, Math.min(data.prompt_tokens, all[0].start), false);
  let at = Math.min(data.prompt_tokens, all[0].start);
  for (const one of all) {
    pieces(completion, at, one.start, one.start >= target.stop);
    const chosen = one === target;
    const choice = element("span", { class: "choice", role: "option", "aria-selected": chosen, tabindex: chosen ? 0 : -1,
      "data-order": one.order });
    pieces(choice, one.start, one.stop, one.start >= target.stop);
    choice.addEventListener("click", () => choose(key, one.order, true));
    completion.append(choice);
    at = one.stop;
  }
  pieces(completion, at, data.tokens.length, true);
  completion.addEventListener("keydown", (event) => move(event, all, key));
  page.append(completion);
  return page;
}

function move(event, all, key) {
  const at = all.findIndex((one) => one.order === state[key]);
  const next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  if (all[next]) choose(key, all[next].order, true);
}

function drawLegend(data) {
  const legend = element("p", { class: "legend" });
  const { signed } = mapOf(data);
  const levels = signed ? [-1, -0.5, 0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1];
  for (const level of levels) {
    const step = element("span", { class: "step" }, String(Math.round(100 * level)));
    paint(step, level, signed);
    legend.append(step);
  }
  legend.append("% of the strongest", element("span", { class: "target" }, "what is explained"));
  return legend;
}

function drawList(data, sources) {
  const strongest = sources.filter((source) => source.score).sort((a, b) => Math.abs(b.score) - Math.abs(a.score)).slice(0, N_LISTED);
  const table = element("table", {}, element("caption", {}, `The strongest ${plural(state.sourceBy)}`));
  table.append(tableRow("th", [["share", "number"], ["score", "number"], ["text"]]));
  for (const source of strongest) {
    const name = nameOf(data, source);
    table.append(tableRow("td", [[percent(source.share), "number"], [source.score.toPrecision(3), "number"],
      [`${name ? `${name}: ` : ""}${shorten(textOf(data, source), 160)}`, "text-cell"]]));
  }
  return table;
}

function nameOf(data, source) {
  return state.sourceBy === "section" ? data.names[source.number] : null;
}

function tableRow(kind, cells) {
  return element("tr", {}, ...cells.map(([text, style]) => element(kind, { class: style, scope: kind === "th" ? "col" : null }, text)));
}

function percent(share) { return `${(100 * share).toFixed(1)}%`; }

function shorten(text, length) {
  const line = text.trim().replaceAll("\n", "↵");
  const characters = [...line];
  return characters.length > length ? `${characters.slice(0, length - 1).join("")}…` : line || "↵";
}

function plural(by) { return `${by}s`; }

// ---- two prompts -----------------------------------------------------------------------------------------------------

function align(left, right) { // the longest run that both have, then those before and behind it; null has no partner
  const places = new Map();
  right.forEach((text, j) => places.has(text) ? places.get(text).push(j) : places.set(text, [j]));
  const blocks = [];
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
      blocks.push([at, at2, longest]);
      waiting.push([start, at, start2, at2], [at + longest, stop, at2 + longest, stop2]);
    }
  }
  blocks.sort((one, other) => one[0] - other[0]);
  const pairs = [];
  let [i, j] = [0, 0];
  for (const [at, at2, length] of [...blocks, [left.length, right.length, 0]]) {
    while (i < at) pairs.push([i++, null]);
    while (j < at2) pairs.push([null, j++]);
    while (i < at + length) pairs.push([i++, j++]);
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

function pairLikest(gone, come) { // partners in order, with as many words in common as possible
  const [words, words2] = [gone, come].map((texts) => texts.map((text) => text.split(/\s+/).filter(Boolean)));
  const far = gone.length * come.length > LARGEST_BLOCK;
  const worth = (i, j) => (far ? Number(i === j) : likeness(words[i], words2[j]) + UNLIKE);
  const best = Array.from({ length: gone.length + 1 }, () => new Float64Array(come.length + 1));
  for (let i = gone.length - 1; i >= 0; i -= 1) for (let j = come.length - 1; j >= 0; j -= 1)
    best[i][j] = Math.max(worth(i, j) + best[i + 1][j + 1], best[i + 1][j], best[i][j + 1]);
  const pairs = [];
  for (let i = 0, j = 0; i < gone.length || j < come.length;) {
    if (i < gone.length && j < come.length && best[i][j] === worth(i, j) + best[i + 1][j + 1]) pairs.push([i++, j++]);
    else if (j === come.length || (i < gone.length && best[i][j] === best[i + 1][j])) pairs.push([i++, null]);
    else pairs.push([null, j++]);
  }
  return pairs;
}

function pairEdits(pairs, keys, keys2) { // what went and what came at the same place are partners where they are alike
  const edited = [];
  let [gone, come] = [[], []];
  const settle = () => {
    for (const [i, j] of pairLikest(gone.map((at) => keys[at]), come.map((at) => keys2[at])))
      edited.push([i === null ? null : gone[i], j === null ? null : come[j]]);
    [gone, come] = [[], []];
  };
  for (const [i, j] of pairs) {
    if (i === null) come.push(j);
    else if (j === null) gone.push(i);
    else { settle(); edited.push([i, j]); }
  }
  settle();
  return edited;
}

function drawMoved(one, other) {
  const place = $("moved");
  const [words, words2] = [one, other].map((data) => completionText(data).match(WORDS) ?? []);
  const diff = element("p", {});
  for (const [i, j] of align(words, words2)) {
    if (i !== null && j !== null) diff.append(words[i]);
    else diff.append(i !== null ? element("del", {}, words[i]) : element("ins", {}, words2[j]));
  }
  place.replaceChildren(element("h2", {}, "What moved"), element("p", { class: "facts" }, "The completions, word by word:"), diff);
  const [sources, sources2] = [[one, "target"], [other, "target2"]].map(([data, key]) => {
    const target = targets(data, state.targetBy).find((span) => span.order === state[key]);
    return target ? scoreSources(data, target, state.targetBy, state.sourceBy)
      .filter((source) => source.role && source.start < target.stop) : [];
  });
  const [keys, keys2] = [[one, sources], [other, sources2]].map(([data, list]) =>
    list.map((source) => nameOf(data, source) ?? textOf(data, source).trim()));
  if (Math.max(keys.length, keys2.length) > 4000) {
    place.append(element("p", {}, "Too many parts to compare: shade by sentence or line."));
    return;
  }
  const changes = pairEdits(align(keys, keys2), keys, keys2).map(([i, j]) => {
    const [before, after] = [i === null ? null : shorten(textOf(one, sources[i]), 160), j === null ? null : shorten(textOf(other, sources2[j]), 160)];
    const text = before !== null && after !== null && before !== after ? `${before}\n→ ${after}` : before ?? after;
    return { text, before: i === null ? null : sources[i].share, after: j === null ? null : sources2[j].share };
  });
  changes.sort((a, b) => Math.abs((b.after ?? 0) - (b.before ?? 0)) - Math.abs((a.after ?? 0) - (a.before ?? 0)));
  const table = element("table", {}, element("caption", {}, `Shares of ${plural(state.sourceBy)} that moved most`));
  table.append(tableRow("th", [[one.id, "number"], [other.id, "number"], ["change", "number"], ["text"]]));
  for (const { text, before, after } of changes.slice(0, N_LISTED)) table.append(tableRow("td", [
    [before === null ? "not there" : percent(before), "number"], [after === null ? "not there" : percent(after), "number"],
    [`${(after ?? 0) >= (before ?? 0) ? "+" : ""}${percent((after ?? 0) - (before ?? 0))}`, "number"], [text, "text-cell"]]));
  place.append(table);
}

function completionText(data) {
  return data.tokens.slice(data.prompt_tokens).map(([text, role]) => (role ? text : "")).join("");
}

// ---- the page --------------------------------------------------------------------------------------------------------

function choose(key, order, focus) {
  state[key] = order;
  show();
  if (focus) $(key === "target" ? "view" : "other").querySelector("[aria-selected=true]").focus();
}

function show() {
  const data = record(state.id);
  fill($("method"), data.methods.map((one) => one.name), state.method, data.methods.map((one) => one.title));
  state.method = $("method").value;
  fill($("target-by"), Object.keys(mapOf(data).scores), state.targetBy);
  fill($("source-by"), data.cut_names, state.sourceBy);
  state.targetBy = $("target-by").value;
  state.sourceBy = $("source-by").value;
  draw($("view"), data, "target");
  const compared = state.with >= 0;
  $("other").hidden = $("moved").hidden = !compared;
  if (compared) {
    draw($("other"), record(state.with), "target2");
    drawMoved(data, record(state.with));
  }
  for (const button of document.querySelectorAll("nav button"))
    if (Number(button.dataset.number) === state.id) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  const parts = { id: data.id, target: state.target + 1, explain: state.targetBy, shade: state.sourceBy };
  if (data.methods.length > 1) parts.method = state.method;
  if (compared) Object.assign(parts, { with: record(state.with).id, "with-target": state.target2 + 1 });
  history.replaceState(null, "", `#${new URLSearchParams(parts)}`);
}

function fill(select, names, wanted, titles = names) {
  const same = select.options.length === names.length && names.every((name, at) => select.options[at].value === name);
  if (!same) select.replaceChildren(...names.map((name, at) => element("option", { value: name }, titles[at])));
  const first = select.id === "method" ? names[0] : ["line", "sentence", "word"].find((name) => names.includes(name)) ?? names[0];
  select.value = names.includes(wanted) ? wanted : first;
}

function listPrompts() {
  const wanted = $("search").value.trim().toLowerCase();
  const shown = heads().map((head, number) => ({ ...head, number })).filter((head) =>
    !wanted || `${head.id} ${head.label}`.toLowerCase().includes(wanted) || nodes[head.number].textContent.toLowerCase().includes(wanted)
    || record(head.number).tokens.map((token) => token[0]).join("").toLowerCase().includes(wanted));
  $("found").textContent = `${shown.length} of ${nodes.length} prompts`;
  $("prompts").replaceChildren(...shown.map((head) => {
    const button = element("button", { type: "button", "data-number": head.number }, head.id, element("small", {}, head.label || head.start));
    button.addEventListener("click", () => { Object.assign(state, { id: head.number, target: -1 }); show(); });
    if (head.number === state.id) button.setAttribute("aria-current", "true");
    return element("li", {}, button);
  }));
}

function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const find = (id) => heads().findIndex((head) => head.id === id);
  state.id = Math.max(0, find(parts.get("id")));
  state.with = parts.has("with") ? find(parts.get("with")) : -1;
  state.target = Number(parts.get("target") ?? 0) - 1;
  state.target2 = Number(parts.get("with-target") ?? 0) - 1;
  state.method = parts.get("method") ?? "";
  state.targetBy = parts.get("explain") ?? "";
  state.sourceBy = parts.get("shade") ?? "";
  $("with").value = state.with;
}

$("with").append(element("option", { value: -1 }, "nothing"), ...heads().map((head, number) => element("option", { value: number }, head.id)));
$("with").addEventListener("change", (event) => { Object.assign(state, { with: Number(event.target.value), target2: -1 }); show(); });
$("target-by").addEventListener("change", (event) => { Object.assign(state, { targetBy: event.target.value, target: -1, target2: -1 }); show(); });
$("method").addEventListener("change", (event) => { state.method = event.target.value; show(); });
$("source-by").addEventListener("change", (event) => { state.sourceBy = event.target.value; show(); });
$("intensity").addEventListener("input", show);
$("search").addEventListener("input", listPrompts);
dark.addEventListener("change", show);
addEventListener("hashchange", () => { readAddress(); show(); });
if (nodes.length) { readAddress(); listPrompts(); show(); }
