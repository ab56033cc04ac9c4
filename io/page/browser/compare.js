// Two prompts beside each other: what differs in what was written, which shares moved, and both texts, line by line.
const MOST_ALIGNED = 4000; // parts; more take a browser too long
const SIGNS = { same: "", edited: "~", gone: "−", new: "+" };

function drawMoved(place, sides) { // sides: two prompts, each as { data, target, sources }
  place.replaceChildren(element("h3", {}, say("compare.title")), drawDiff(...sides.map(({ data }) => data.words)));
  if (!sides.every(({ target }) => target)) return;
  for (const { data, target } of sides) place.append(paragraph("asked", `${data.id}: `, markTarget(data, target)));
  const [text, text2] = sides.map(({ data, target }) => textOf(data, target).trim());
  if (text !== text2) place.append(note(say("compare.differ")));
  const [how, how2] = sides.map(({ data, target }) => describeMeasure(mapOf(data), target));
  if (how !== how2) place.append(note(say("compare.unlike", { id: sides[0].data.id, how, id2: sides[1].data.id, how2 })));
  const lists = sides.map(({ data, target, sources }) => sources.filter((source) =>
    !source.special && (state.shown === "direct" ? source.start < target.stop : source.stop <= data.border)));
  if (Math.max(...lists.map((list) => list.length)) > MOST_ALIGNED) place.append(paragraph("", say("compare.too-many")));
  else place.append(...drawChanges(sides.map(({ data }) => data), lists));
}

function describeMeasure(map, { foil }) { // what shares must have in common to be compared
  return [describeScores(map), foil ? say("compare.foil") : ""].filter(Boolean).join(say("clauses"));
}

function drawDiff(words, words2) {
  const diff = paragraph("diff");
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
    const [share, share2] = sources.map((source) => (source?.visible ? source.share : 0));
    return { sources, moved: share2 - share };
  });
  changes.sort((a, b) => Math.abs(b.moved) - Math.abs(a.moved));
  const cuts = say(`cuts.${state.sourceBy}`, { count: 2 });
  const table = element("table", {}, element("caption", {}, say(`compare.${state.shown}`, { cuts })));
  table.append(tableRow("th", [...both.map(({ id }) => [id, "number id"]), [say("compare.change"), "number"],
    [say("list.columns.line"), "number"], [say("list.columns.text")]]));
  for (const { sources, moved } of changes.slice(0, N_LISTED)) {
    const [before, after] = sources.map((source, side) => source && shorten(textOf(both[side], source), 160));
    const text = before !== null && after !== null && before !== after ? `${before}\n→ ${after}` : before ?? after;
    const lines = [...new Set(sources.map((source, side) => source && String(lineOf(both[side], source))).filter(Boolean))];
    table.append(tableRow("td", [...sources.map((source) => [showShare(source), "number"]),
      [`${moved >= 0 ? "+" : ""}${percent(moved)}`, "number"], [lines.join(" → "), "number line-number"], [text, "text-cell"]]));
  }
  const all = changes.reduce((sum, { moved }) => sum + Math.abs(moved), 0) / 2;
  return [table, paragraph("facts", say("compare.moved", { share: `${Math.round(100 * all)}%` }))];
}

function showShare(source) {
  if (!source) return say("compare.not-there");
  return source.visible ? percent(source.share) : say("compare.explained");
}

function drawBeside(place, sides, choices) { // both texts in two columns, lines that belong together beside each other
  if (!sides.every(({ target }) => target)) { // drawFound says why
    place.replaceChildren();
    return;
  }
  const drawn = sides.map(({ data, target, sources }, side) => {
    const rows = listRows(data);
    return { rows, nodes: rows.map((row) => drawRow(data, target, sources, row, choices[side])), texts: rows.map((row) => textOf(data, row).trim()) };
  });
  const begins = sides.map(({ data }, side) => drawn[side].rows.findIndex(({ start }) => start === data.border));
  const grid = element("div", { class: "beside" }, ...sides.map(({ data }) => element("h3", { class: "id" }, data.id)));
  const blank = () => element("div", { class: "row none" });
  const halves = [0, 1].map((half) => drawn.map(({ texts }, side) => (half ? texts.slice(begins[side]) : texts.slice(0, begins[side]))));
  halves.forEach((texts, half) => {
    if (half) grid.append(...sides.map(({ data }) => drawBeginning(data)));
    for (const pair of align(...texts)) {
      const at = pair.map((place, side) => (place === null ? null : place + half * begins[side]));
      const kind = at[0] === null ? "new" : at[1] === null ? "gone" : drawn[0].texts[at[0]] === drawn[1].texts[at[1]] ? "same" : "edited";
      at.forEach((place, side) => {
        const node = place === null ? blank() : drawn[side].nodes[place];
        node.classList.add(kind);
        node.dataset.side = side;
        if (SIGNS[kind] && place !== null) node.prepend(element("span", { class: "sign", title: say(`compare.kinds.${kind}`) }, SIGNS[kind]));
        grid.append(node);
      });
    }
  });
  const [signed, signed2] = sides.map(({ data }) => isSigned(data));
  place.replaceChildren(grid, ...sides.slice(0, signed === signed2 ? 1 : 2).map(({ data }) => drawLegend(data)));
}
