// What a record (record.py) says of one prompt: its texts, its targets, and every source's numbers for one of them.
const FULL_SCALE = 32767;
const nodes = [...document.querySelectorAll("script.record")];
const heads = nodes.map((node) => JSON.parse(node.dataset.head));
const records = nodes.map(() => null); // each is read when it is first shown

function record(number) {
  records[number] ??= JSON.parse(nodes[number].textContent);
  return records[number];
}

function readText(number) { // a prompt's text in one; a search asks for all of them, and their numbers would take memory
  const json = nodes[number].textContent;
  const [start, stop] = [json.indexOf('"texts":'), json.indexOf(',"words":')]; // quotes within texts are escaped
  return (readText.known ??= {})[number] ??= JSON.parse(json.slice(start + '"texts":'.length, stop)).join("");
}

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

// ---- targets ---------------------------------------------------------------------------------------------------------

function targetsOf(data) {
  const described = explainedOf(data).includes(state.targetBy) ? data.targets[state.targetBy] : []; // another prompt may have none
  return described.map(
    ([start, stop, probability, nTokens, foil], number) => ({ number, start, stop, probability, nTokens, foil }));
}

function explainedOf(data) { // the cuts of targets with scores: of their own, or added up from tokens
  const { scores } = mapOf(data);
  return Object.keys(data.targets).filter((by) => scores[by] || scores.token);
}

function joinTargets(targets, [first, last]) { // several in a row as one; its probability is the mean over the tokens
  const chosen = targets.slice(first, last + 1);
  const nTokens = chosen.reduce((sum, one) => sum + one.nTokens, 0);
  const logs = chosen.reduce((sum, one) => sum + one.nTokens * Math.log(one.probability), 0);
  return { first, last, start: chosen[0].start, stop: chosen.at(-1).stop, nTokens,
    probability: first === last ? chosen[0].probability : Math.exp(logs / Math.max(1, nTokens)),
    foil: chosen.map(({ foil }) => foil ?? "").join("") };
}

function rowOf(data, { first, last, start, stop }) { // a target's scores of the tokens before it; of several, the sum over their tokens
  const { scores } = mapOf(data);
  const by = scores.token && (first < last || !scores[state.targetBy]) ? "token" : state.targetBy;
  const found = data.targets[by].map((one, number) => ({ number, start: one[0], stop: one[1] }))
    .filter((one) => one.start >= start && one.stop <= stop);
  if (found.length === 1) return storedRow(data, by, found[0].number);
  const sum = new Float64Array(start);
  for (const { number } of found) {
    const row = storedRow(data, by, number);
    for (let at = 0; at < start; at += 1) sum[at] += row[at];
  }
  return sum;
}

function storedRow(data, by, number) {
  const scores = mapOf(data).scores[by];
  if (!scores.starts) {
    const roots = unpack(scores.rows, Int16Array); // cube roots: encoding.py says why
    const sizes = unpack(scores.largest, Float32Array);
    Object.assign(scores, { values: Float64Array.from(roots, (root) => (root / FULL_SCALE) ** 3), starts: [0] });
    for (const [at, [start]] of data.targets[by].entries()) {
      const from = scores.starts.at(-1);
      scores.starts.push(from + start);
      for (let place = from; place < from + start; place += 1) scores.values[place] *= sizes[at];
    }
  }
  return scores.values.subarray(scores.starts[number], scores.starts[number + 1]);
}

// ---- sources ---------------------------------------------------------------------------------------------------------

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
  scale(sources);
  return Object.assign(sources, { trace });
}

function directSourcesOf(data, target) {
  const bounds = boundsOf(data, state.sourceBy);
  const cut = data.cuts[state.sourceBy];
  const sources = Array.from(poolEarlier(rowOf(data, target), bounds, target.start, poolOf()), (score, number) => {
    const special = cut.isSpecial.has(number);
    const visible = !special && bounds[number + 1] <= target.start;
    return { number, start: bounds[number], stop: bounds[number + 1], special, visible, score: visible ? score : 0, name: cut.names?.[number] };
  });
  const total = sources.reduce((sum, { score }) => sum + Math.abs(score), 0);
  for (const source of sources) source.share = total ? source.score / total : 0;
  scale(sources);
  return sources;
}

function plainSourcesOf(data) { // without scores
  const bounds = boundsOf(data, state.sourceBy);
  const { isSpecial } = data.cuts[state.sourceBy];
  return bounds.slice(1).map((stop, number) => ({ number, start: bounds[number], stop, special: isSpecial.has(number), visible: false, score: 0, share: 0, level: 0 }));
}

function scale(sources) { // levels: relative to the strongest
  const largest = sources.reduce((most, { score }) => Math.max(most, Math.abs(score)), 0);
  for (const source of sources) source.level = largest ? source.score / largest : 0;
}

function poolOf() { return state.way === "direct" ? state.pool : "sum"; } // only sums can be passed on

function lineOf(data, { start, stop }) { // the line of a span's first visible character, from 1
  const [blanks] = textOf(data, { start, stop }).match(/^[\s\u2409-\u240d\u241c-\u241f]*(?=\S)|^/);
  return 1 + [...textOf(data, { start: 0, stop: start }), ...blanks].filter((character) => character === "\n").length;
}

// ---- through the model's own words -----------------------------------------------------------------------------------

function ownWordsOf(data, target) { // the tokens of each word that the model wrote before the target
  return (data.targets.token ?? []).filter(([, stop]) => stop <= target.start).map(([start, stop]) => [start, stop]);
}

function hiddenTokens(data) {
  const bounds = boundsOf(data, "token");
  if (!data.hidden) {
    data.hidden = data.texts.map(() => false);
    for (const number of data.cuts.token.special) data.hidden.fill(true, bounds[number], bounds[number + 1]);
  }
  return data.hidden;
}

function doubtOf(data) { // by token: how unsure the model was of what it wrote; only of methods whose chains are weighed by it
  const { doubt } = mapOf(data);
  if (!doubt) return undefined;
  const weights = new Array(data.texts.length).fill(1);
  unpack(doubt, Float32Array).forEach((weight, number) => weights.fill(weight, ...data.targets.token[number].slice(0, 2)));
  return weights;
}

function linksOf(data) { // what each word of the completion rests on
  const { scores: { token }, direction } = mapOf(data);
  const weights = token.links ? undefined : doubtOf(data);
  return (token.links ??= data.targets.token.map((_, number) => takeShares(storedRow(data, "token", number), direction, hiddenTokens(data), weights)));
}

function chainOf(data, target) {
  const row = takeShares(rowOf(data, target), mapOf(data).direction, hiddenTokens(data));
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
  if (!direction) return say("obstacle.sign", { objective: say(`objectives.${objective}`) });
  if (!scores.token) return say("obstacle.tokens");
  if (data.uncontrasted !== null && data.uncontrasted < target.start) return say("obstacle.foil");
  if (way === "all" || ownWordsOf(data, target).length) return "";
  return say(targetsOf(data).length > target.last - target.first + 1 ? "obstacle.first" : "obstacle.whole");
}
