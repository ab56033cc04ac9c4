// One prompt, and two beside each other. All that is shown of a prompt comes from its record (record.py).
const N_LISTED = 10;
const MOST_ALIGNED = 4000; // parts; more take a browser too long
const NEUTRAL_INTENSITY = 0.4; // LIT's: a level is shown as it is
const FULL_SCALE = 32767;
const WAY_NAMES = { direct: "", through: ", through the model's own words", all: ", in all" };
// ramps: by paper and hue in even steps, from nothing to the most; signed: the hues of what raised and what lowered the target
const { ramps: RAMPS, signed: SIGNED, unsigned: UNSIGNED } = JSON.parse($("palette").textContent);

function $(id) { return document.getElementById(id); }

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// ---- what a record says ----------------------------------------------------------------------------------------------

function mapOf(data) { // the chosen method's; another prompt may not have it
  return data.methods.find((one) => one.name === state.method) ?? data.methods[0];
}

function boundsOf(data, by) {
  const cut = data.cuts[by];
  if (!cut.bounds) {
    cut.bounds = [0];
    for (const length of cut.lengths) cut.bounds.push(cut.bounds.at(-1) + length);
    cut.isSpecial = new Set(cut.special);
  }
  return cut.bounds;
}

function textOf(data, { start, stop }) { return data.texts.slice(start, stop).join(""); }

function targetsOf(data) {
  const described = mapOf(data).scores[state.targetBy] ? data.targets[state.targetBy] : []; // another prompt may have none
  return described.map(
    ([start, stop, probability, nTokens, foil], number) => ({ number, start, stop, probability, nTokens, foil }));
}

function numbersOf(data, target, by = state.targetBy) { // a target's row and its scales: the row's largest, then largest and total by cut
  const scores = mapOf(data).scores[by];
  if (!scores.starts) {
    const roots = unpack(scores.rows, Int16Array); // cube roots: encoding.py says why
    Object.assign(scores, { values: Float32Array.from(roots, (root) => (root / FULL_SCALE) ** 3), numbers: unpack(scores.scales, Float32Array), starts: [0] });
    for (const [start] of data.targets[by]) scores.starts.push(scores.starts.at(-1) + start);
  }
  const width = 1 + 2 * Object.keys(data.cuts).length;
  return [scores.values.subarray(scores.starts[target.number], scores.starts[target.number + 1]),
    scores.numbers.subarray(target.number * width, (target.number + 1) * width)];
}

function sourcesOf(data, target) { // every span of the text with its score, its share and its level, by the way that is shown
  const sources = directSourcesOf(data, target);
  if (state.shown === "direct") return sources;
  const trace = traceOf(data, target);
  const shares = state.shown === "through" ? trace.through : trace.total;
  for (const source of sources) {
    source.passed = source.visible ? trace.total[source.number] : 0; // of own words: what came by way of them
    source.visible &&= source.stop <= data.border;
    source.score = source.share = source.visible ? shares[source.number] : 0;
    Object.assign(source, { direct: trace.direct[source.number], through: trace.through[source.number], total: trace.total[source.number] });
  }
  const largest = sources.reduce((most, { score }) => Math.max(most, score), 0);
  for (const source of sources) source.level = largest ? source.score / largest : 0;
  return sources;
}

function directSourcesOf(data, target) {
  const bounds = boundsOf(data, state.sourceBy);
  const cut = data.cuts[state.sourceBy];
  const [row, scales] = numbersOf(data, target);
  const at = 1 + 2 * Object.keys(data.cuts).indexOf(state.sourceBy);
  const [largest, total] = scales.subarray(at, at + 2);
  return Array.from(sumEarlier(row, bounds, target.start), (sum, number) => {
    const special = cut.isSpecial.has(number);
    const visible = !special && bounds[number + 1] <= target.start;
    const score = visible ? sum * scales[0] : 0;
    return { number, start: bounds[number], stop: bounds[number + 1], special, visible, score,
      name: cut.names?.[number], share: total ? score / total : 0, level: largest ? score / largest : 0 };
  });
}

// ---- through the model's own words -----------------------------------------------------------------------------------

function ownWordsOf(data, target) { // the units that the model wrote before the target
  return (data.targets.token ?? []).filter(([, stop]) => stop <= target.start).map(([start]) => start);
}

function hiddenUnits(data) {
  boundsOf(data, "token");
  return (data.hidden ??= data.texts.map((_, unit) => data.cuts.token.isSpecial.has(unit)));
}

function mixedOf(data, by) { // by target: the parts of units whose bytes have scores of both signs
  const scores = mapOf(data).scores[by];
  return (scores.mixedOf ??= (scores.mixed ?? []).reduce((found, [number, unit, raised, lowered]) =>
    found.set(number, (found.get(number) ?? new Map()).set(unit, [raised, lowered])), new Map()));
}

function doubtOf(data) { // by unit: how unsure the model was of what it wrote; only of methods whose chains are weighed by it
  const { doubt } = mapOf(data);
  if (!doubt) return undefined;
  const weights = new Array(data.texts.length).fill(1);
  unpack(doubt, Float32Array).forEach((weight, number) => { weights[data.targets.token[number][0]] = weight; });
  return weights;
}

function linksOf(data) { // what each unit of the completion rests on
  const { scores: { token }, direction } = mapOf(data);
  const weights = token.links ? undefined : doubtOf(data);
  return (token.links ??= data.targets.token.map((_, number) =>
    takeShares(numbersOf(data, { number }, "token")[0], direction, hiddenUnits(data), mixedOf(data, "token").get(number), weights)));
}

function chainOf(data, target) {
  const row = takeShares(numbersOf(data, target)[0], mapOf(data).direction, hiddenUnits(data), mixedOf(data, state.targetBy).get(target.number));
  const words = ownWordsOf(data, target);
  return buildChain(row, words, linksOf(data).slice(0, words.length));
}

function traceOf(data, target) {
  const chain = chainOf(data, target);
  return { chain, ...poolChain(chain, boundsOf(data, state.sourceBy)) };
}

function obstacleOf(data, target, way) { // why a target can't be followed back that way; nothing if it can
  const { direction, objective, scores } = mapOf(data);
  if (way === "direct" || !target) return "";
  if (!direction) return `These scores raise or lower the ${objective}, and not the amber part itself: choose a method without a sign.`;
  if (!scores.token) return "There are no scores for each word that the model wrote: run the prompts with --targets token.";
  if (data.uncontrasted !== null && data.uncontrasted < target.start)
    return "Only the words that are contrasted with a foil have scores: run the prompts without the foil, or with --foil auto.";
  if (way === "all" || ownWordsOf(data, target).length) return "";
  return targetsOf(data).length > 1 ? "The model wrote nothing before the amber part: choose a later part of the completion."
    : "The amber part is the whole completion: choose a part of it.";
}

// ---- colours ---------------------------------------------------------------------------------------------------------

function colour(level, signed) {
  const hue = signed ? SIGNED[state.colours][Number(level < 0)] : UNSIGNED;
  const ramp = RAMPS[dark.matches ? "dark" : "light"][hue];
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

function draw(place, data, target, choose) { // `choose` is told the number of the target that the reader chooses
  place.replaceChildren(element("h2", {}, data.id));
  if (data.label) place.append(element("p", { class: "facts" }, data.label));
  if (!target) {
    place.append(element("p", {}, data.words.length
      ? `There are no scores by ${state.targetBy} here.` : "The completion is empty: there is nothing to explain."));
    return;
  }
  const sources = sourcesOf(data, target);
  place.append(
    element("p", { class: "asked" }, `Why ${data.given ? "would" : "did"} the model write `, markTarget(data, target),
      target.foil ? ` rather than “${shorten(target.foil, 60)}”` : "", "?"),
    element("p", { class: "facts" }, `probability ${spellProbability(target)}; ${data.stopped}`),
    element("p", { class: "facts" }, describeMethod(mapOf(data))), ...drawFollowed(data, target, sources),
    drawText(data, target, sources, choose), drawLegend(data), drawList(data, sources));
  if (state.shown !== "direct" && ownWordsOf(data, target).length) place.append(drawWays(place, data, target));
  if (data.quantised) place.append(element("p", { class: "facts" }, data.quantised));
  const { trust } = mapOf(data);
  const ofDirect = state.shown === "direct" ? trust : trust.replace(/^trust(?=[:,])/, "trust in the direct scores"); // they were evaluated
  if (trust) place.append(element("p", { class: "facts trust" }, ofDirect));
  place.append(drawContract(data, target));
}

function spellProbability({ probability, nTokens }) { // of several tokens it is the mean; never rounded up to 1
  const shown = probability >= 0.9995 && probability < 1 ? "over 0.999" : Number(probability.toPrecision(3));
  return `${shown}${nTokens > 1 ? " a token" : ""}`;
}

function describeMethod({ words, signed }) {
  const [raised, lowered] = SIGNED[state.colours];
  if (state.shown !== "direct") return signed ? `${words}: the part that raised it` : words;
  return `${words}: ${signed ? `${raised} raised it, ${lowered} lowered it` : "how strongly, not in which direction"}`;
}

function isSigned(data) { return mapOf(data).signed && state.shown === "direct"; } // only what raised it can be followed

function markTarget(data, target) { return element("mark", {}, shorten(textOf(data, target), 80)); }

function drawText(data, target, sources, choose) {
  const page = element("div", { class: "text", dir: "auto", tabindex: "-1" });
  const completion = element("span", { class: "completion", role: "listbox", "aria-label": "Completion: choose what to explain" });
  const ofUnit = [];
  for (const source of sources) for (let at = source.start; at < source.stop; at += 1) ofUnit[at] = source;
  const pieces = (parent, start, stop, later) => {
    for (let at = start; at < stop;) {
      const source = ofUnit[at];
      const end = Math.min(source.stop, stop);
      const text = textOf(data, { start: at, stop: end });
      const piece = element("span", { class: source.special ? "special" : "piece", "data-source": source.number }, text);
      if (source.visible && text) {
        paint(piece, source.level, isSigned(data));
        piece.title = state.shown === "direct" ? `${percent(source.share)} of all shading, score ${source.score.toPrecision(3)}`
          : `${percent(source.total)} in all: ${percent(source.direct)} directly, ${percent(source.through)} through its own words`;
      } else if (source.passed) piece.title = `${percent(source.passed)} came by way of this`;
      else if (later) piece.classList.add("later");
      parent.append(piece);
      at = end;
    }
  };
  const all = targetsOf(data);
  let at = all[0].start;
  pieces(page, 0, at, false);
  for (const one of all) {
    const isLater = one.start >= target.stop;
    pieces(completion, at, one.start, isLater);
    const chosen = one.number === target.number;
    const choice = element("span", { class: "choice", role: "option", "aria-selected": chosen, tabindex: chosen ? 0 : -1 });
    pieces(choice, one.start, one.stop, isLater);
    choice.addEventListener("click", () => choose(one.number));
    completion.append(choice);
    at = one.stop;
  }
  pieces(completion, at, data.texts.length, true);
  completion.addEventListener("keydown", (event) => move(event, target.number, all.length - 1, choose));
  page.append(completion);
  return page;
}

function move(event, at, last, choose) {
  const next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  if (next >= 0 && next <= last) choose(next);
}

function drawLegend(data) {
  const legend = element("p", { class: "legend" });
  const signed = isSigned(data);
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
  const table = element("table", {}, element("caption", {}, `The strongest ${state.sourceBy}s${WAY_NAMES[state.shown]}`));
  const columns = state.shown === "direct" ? { share: (source) => percent(source.share), score: (source) => source.score.toPrecision(3) }
    : { line: (source) => String(lineOf(data, source)), direct: ({ direct }) => percent(direct), "own words": ({ through }) => percent(through), "in all": ({ total }) => percent(total) };
  table.append(tableRow("th", [...Object.keys(columns).map((name) => [name, "number"]), ["text"]]));
  for (const source of strongest) table.append(tableRow("td", [...Object.values(columns).map((show) => [show(source), "number"]),
    [`${source.name ? `${source.name}: ` : ""}${shorten(textOf(data, source), 160)}`, "text-cell"]]));
  return table;
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

// ---- two prompts -----------------------------------------------------------------------------------------------------

function drawMoved(place, sides) { // sides: two prompts, each as { data, target }
  place.replaceChildren(element("h2", {}, "What moved"), element("p", { class: "facts" }, "The completions, word by word:"),
    drawDiff(...sides.map(({ data }) => data.words)));
  if (!sides.every(({ target }) => target)) return;
  place.append(element("p", { class: "facts" }, "The table compares their sources:"));
  for (const { data, target } of sides) place.append(element("p", { class: "asked" }, `${data.id}: `, markTarget(data, target)));
  const [text, text2] = sides.map(({ data, target }) => textOf(data, target).trim());
  if (text !== text2) place.append(element("p", { class: "differ", role: "note" },
    "These two texts differ, and that alone can move shares. Click a part of either completion to compare others."));
  const lists = sides.map(({ data, target }) => sourcesOf(data, target).filter((source) =>
    !source.special && (state.shown === "direct" ? source.start < target.stop : source.stop <= data.border)));
  if (Math.max(...lists.map((list) => list.length)) > MOST_ALIGNED)
    place.append(element("p", {}, "Too many parts to compare: shade by sentence or line."));
  else place.append(drawChanges(sides.map(({ data }) => data), lists));
}

function drawDiff(words, words2) {
  const diff = element("p", {});
  for (const [same, start, stop, start2, stop2] of listBlocks(words, words2)) {
    if (same) diff.append(words.slice(start, stop).join(""));
    else {
      if (start < stop) diff.append(element("del", {}, words.slice(start, stop).join("")));
      if (start2 < stop2) diff.append(element("ins", {}, words2.slice(start2, stop2).join("")));
    }
  }
  return diff;
}

function drawChanges(both, lists) { // the sources whose shares moved most
  const keys = lists.map((list, side) => list.map((source) => source.name ?? textOf(both[side], source).trim()));
  const changes = align(...keys).map((pair) => {
    const sources = pair.map((at, side) => (at === null ? null : lists[side][at]));
    const [before, after] = sources.map((source, side) => source && shorten(textOf(both[side], source), 160));
    const [share, share2] = sources.map((source) => (source?.visible ? source.share : 0));
    return { text: before !== null && after !== null && before !== after ? `${before}\n→ ${after}` : before ?? after,
      shares: sources.map(showShare), moved: share2 - share };
  });
  changes.sort((a, b) => Math.abs(b.moved) - Math.abs(a.moved));
  const table = element("table", {}, element("caption", {}, `Shares of ${state.sourceBy}s that moved most${WAY_NAMES[state.shown]}`));
  table.append(tableRow("th", [...both.map(({ id }) => [id, "number id"]), ["change", "number"], ["text"]]));
  for (const { text, shares, moved } of changes.slice(0, N_LISTED)) table.append(tableRow("td", [...shares.map((share) => [share, "number"]),
    [`${moved >= 0 ? "+" : ""}${percent(moved)}`, "number"], [text, "text-cell"]]));
  return table;
}

function showShare(source) { return !source ? "not there" : source.visible ? percent(source.share) : "explained"; }
