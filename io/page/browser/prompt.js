// One prompt: the question, its strongest sources, its text, and how far to trust them.
const N_LISTED = 10;

function drawFound(found, { data, target, sources, pieces }) { // the answer to the question, beside its text
  if (!target) {
    found.replaceChildren(paragraph("", data.words.length
      ? say("prompt.no-scores", { cuts: say(`cuts.${state.targetBy}`, { count: 2 }) }) : say("prompt.empty")));
    return;
  }
  const ways = sources.trace?.chain.words.length ? [drawWays(pieces, data, target, sources.trace)] : [];
  found.replaceChildren(drawQuestion(data, target), ...drawOther(data), ...drawFollowed(data, target, sources), drawList(pieces, data, sources), ...ways,
    ...drawTrust(data), drawContract(data, target));
}

function drawQuestion(data, target) {
  const [before, after] = say(data.stopped.reason === "given" ? "prompt.would" : "prompt.why", { target: "\n" }).split("\n");
  const asked = paragraph("asked", before, markTarget(data, target), target.foil ? say("prompt.rather", { foil: shorten(target.foil, 60) }) : "", after);
  return element("div", { class: "question" }, asked,
    paragraph("facts", [spellProbability(target), say(`stopped.${data.stopped.reason.replaceAll(" ", "-")}`, { text: data.stopped.text ?? "" })].join(say("sentences"))),
    paragraph("facts", describeMethod(mapOf(data), target)));
}

function drawOther(data) { // the prompt lacks the method that the reader chose
  const { name } = mapOf(data);
  return name === state.method ? [] : [note(say("prompt.other-method", { wanted: nameMethod({ name: state.method }), method: nameMethod({ name }) }))];
}

function note(text) { return element("p", { class: "differ", role: "note" }, text); }

function spellProbability({ probability, nTokens }) { // of several tokens it is the mean; never rounded up to 100%
  const shown = roundProbability(probability, (most) => say("prompt.over", { probability: most }));
  return say(nTokens > 1 ? "prompt.probability-mean" : "prompt.probability", { probability: shown });
}

function roundProbability(probability, above) {
  return probability >= 0.9995 && probability < 1 ? above("99.9%") : `${Number((100 * probability).toPrecision(3))}%`;
}

function nameMethod({ name }) { return say(`methods.${name}`); }

function describeMethod(map, target) {
  const [raised, lowered] = SIGNED[state.colours].map((hue) => say(`hues.${hue}`));
  const sign = state.shown !== "direct" ? (map.signed ? say("prompt.raised-part") : "")
    : map.signed ? say("prompt.signed", { raised, lowered }) : say("prompt.unsigned");
  const added = target.first < target.last ? say("prompt.added") : "";
  return [describeScores(map), sign, added].filter(Boolean).join(say("clauses"));
}

function describeScores(map) {
  const removed = map.removed ? [say("prompt.removed", { cuts: say(`cuts.${map.removed}`, { count: 2 }) })] : [];
  return [say("prompt.measured", { method: nameMethod(map), objective: say(`objectives.${map.objective}`) }), ...removed].join(say("clauses"));
}

function markTarget(data, target) { return element("mark", { dir: "auto" }, shorten(textOf(data, target), 80)); }

function drawLegend(data) {
  const legend = paragraph("legend");
  const signed = isSigned(data);
  for (const level of signed ? [-1, -0.5, 0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
    const step = element("span", { class: "step" }, String(Math.round(100 * level)));
    paint(step, level, signed);
    legend.append(step);
  }
  legend.append(say("text.legend"), element("span", { class: "target" }, say("text.explained")));
  return legend;
}

function strongestOf(sources) {
  return sources.filter((source) => source.score).sort((a, b) => Math.abs(b.score) - Math.abs(a.score)).slice(0, N_LISTED);
}

function drawList(pieces, data, sources) { // a click leads to the source in the text
  const cuts = say(`cuts.${state.sourceBy}`, { count: 2 });
  const table = element("table", { class: "strongest" }, element("caption", {}, say(`list.${state.shown}`, { cuts })));
  const columns = state.shown === "direct" ? { share: ({ share }) => percent(share) }
    : { direct: ({ direct }) => percent(direct), through: ({ through }) => percent(through), all: ({ total }) => percent(total) };
  table.append(tableRow("th", [...Object.keys(columns).map((name) => [say(`list.columns.${name}`), "number"]),
    [say("list.columns.line"), "number"], [say("list.columns.text")]]));
  for (const source of strongestOf(sources)) {
    const name = source.name ? `${source.name}: ` : "";
    const go = button(`${name}${shorten(textOf(data, source), 160)}`, () => point(pieces().filter((piece) => Number(piece.dataset.source) === source.number)), { class: "go", dir: "auto" });
    table.append(tableRow("td", [...Object.values(columns).map((show) => [show(source), "number"]), [String(lineOf(data, source)), "number line-number"], [go, "text-cell"]]));
  }
  return table;
}

function point(pieces) { // scrolls to a source, and marks it for a moment
  if (!pieces.length) return;
  pieces[0].scrollIntoView({ block: "center" });
  for (const piece of pieces) {
    piece.classList.add("pointed");
    setTimeout(() => piece.classList.remove("pointed"), 2000);
  }
}

function drawTrust(data) {
  const { trust } = mapOf(data);
  const lines = [inLanguage(data.quantised), inLanguage(state.shown === "direct" ? trust.direct : trust.followed)].filter(Boolean);
  return lines.length ? [element("div", { class: "trust" }, element("h3", {}, say("prompt.trust")),
    ...lines.join("\n").split("\n").map((line) => paragraph("facts", line)))] : [];
}

function inLanguage(text) { return text[language] ?? text; } // a text, or one for each language
