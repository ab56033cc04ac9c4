// How a target came about: the strongest ways through the model's own words, drawn and as text, and what the numbers mean.
const N_WAYS = 5;
const MANY = 0.5; // of the direct sources are own words: say so
const FEW = 0.005; // not worth saying
const [ROW, GAP, WIDEST] = [46, 10, 18]; // px: heights of a box, of what is between boxes, and of the strongest way
const [BOX, SPACE] = [7, 0.6]; // rem: the least width of a box; and what is between columns, in boxes
let isContractOpen = false;

// ---- in words --------------------------------------------------------------------------------------------------------

function drawFollowed(data, target, sources) { // lines about what is shaded
  const facts = (...lines) => paragraph("facts followed", lines.join(say("sentences")));
  if (state.shown === "direct") {
    const own = sources.reduce((sum, { start, share }) => sum + (start >= data.border ? Math.abs(share) : 0), 0);
    return own > MANY && !obstacleOf(data, target, "through") ? [facts(say("followed.own-words", { share: percent(own) }))] : [];
  }
  const { own, stuck, clipped, chain } = sources.trace;
  const lines = [say(`followed.${state.shown}`), say(chain.words.length ? "followed.own" : "followed.none", { share: percent(own) })];
  if (stuck > FEW) lines.push(say("followed.stuck", { share: percent(stuck) }));
  if (clipped > 0) lines.push(say("followed.clipped", { share: percent(clipped) }));
  if (mapOf(data).doubt) lines.push(say("followed.doubt"));
  return [facts(...lines), facts(say("followed.fixed"))];
}

function drawContract(data, target) { // what is scored, what is held fixed, what a source is (arXiv:2605.23080)
  const map = mapOf(data);
  const foil = target.foil ? say("contract.foil", { foil: shorten(target.foil, 60) }) : "";
  const removed = map.removed ? say("contract.removed", { cuts: say(`cuts.${map.removed}`, { count: 2 }) }) : "";
  const points = {
    scored: say("contract.scored", { objective: say(`objectives.${map.objective}`), foil, method: nameMethod(map), removed })
      + say("sentences") + say(map.signed ? "contract.signed" : "contract.unsigned"),
    fixed: say("contract.fixed"),
    source: say("contract.source", { cuts: say(`cuts.${state.sourceBy}`, { count: 2 }) }),
    through: say("contract.through") + say("sentences") + say(map.doubt ? "followed.doubt" : "contract.whole"),
    not: say("contract.not"),
  };
  const block = element("details", { class: "contract", open: isContractOpen ? "" : null }, element("summary", {}, say("contract.title")),
    element("dl", {}, ...Object.entries(points).flatMap(([name, text]) => [element("dt", {}, say(`contract.names.${name}`)), element("dd", {}, text)])));
  block.firstChild.addEventListener("click", () => { isContractOpen = !block.open; });
  return block;
}

function wordAt(data, token) {
  const bounds = boundsOf(data, "word");
  const number = bounds.findLastIndex((start) => start <= token);
  return textOf(data, { start: bounds[number], stop: bounds[number + 1] }).trim();
}

function labelOf(text) { return text.match(/^[ \t]*(\p{L}[\p{L}\p{N}_ -]{0,23}):(?=\s|$)/u)?.[1]; } // as in “Analysis: ...”

function nameLine(data, span) { // the label of the line where a span begins, or else its number
  const number = lineOf(data, span);
  return labelOf(data.texts.join("").split("\n")[number - 1]) ?? say("ways.line", { line: number });
}

function nameTarget(data, target) { // its label, its line's number, or its text if it begins within a line
  const text = textOf(data, target).trim();
  const isWithin = textOf(data, { start: 0, stop: target.start }).split("\n").at(-1).trim();
  return labelOf(text) ?? (isWithin ? quote(shorten(text, 24)) : say("ways.line", { line: lineOf(data, target) }));
}

function describeWays(data, target, { chain } = traceOf(data, target)) { // each way's share, and what it passes, from the prompt's span to the target
  const bounds = boundsOf(data, state.sourceBy);
  const { isSpecial, names } = data.cuts[state.sourceBy];
  const prompt = [...bounds.keys()].filter((number) => bounds[number + 1] <= data.border && !isSpecial.has(number));
  const at = (number) => ({ number, start: bounds[number], stop: bounds[number + 1] });
  const isShort = ["token", "word"].includes(state.sourceBy); // named by its text
  const step = (number, name, text, comma) => ({ ...at(number), name, text, title: textOf(data, at(number)).trim(),
    spelled: isShort ? say("ways.word", { text: quote(shorten(textOf(data, at(number)), 50)), line: lineOf(data, at(number)) })
      : `${name}${comma}${quote(shorten(text, 50))}` });
  return findWays(chain, bounds, prompt, N_WAYS).map(({ source, stations, share }) => ({ share, steps: [
    step(source, names?.[source] ?? say("ways.line", { line: lineOf(data, at(source)) }), textOf(data, at(source)), say("ways.reads")),
    ...stations.map(({ span, token }) => step(span, nameLine(data, at(span)), wordAt(data, token), say("words"))),
    { ...target, number: -1, name: say("compare.explained"), text: textOf(data, target), title: textOf(data, target).trim(), spelled: nameTarget(data, target) }] }));
}

function spellWay({ share, steps }) { return `${spellPart(share)}  ${steps.map(({ spelled }) => spelled).join(" → ")}`; }

function quote(text) { return say("quote", { text }); }

function spellPart(share) { return share < 0.00995 ? `${(100 * share).toFixed(2)}%` : percent(share); } // many words share a target

// ---- as a picture ----------------------------------------------------------------------------------------------------

function drawWays(pieces, data, target, trace) { // pieces: finds those of its text, which is drawn later
  const section = element("div", { class: "ways" }, element("h3", {}, say("ways.title")));
  const ways = describeWays(data, target, trace);
  if (!ways.length) {
    section.append(paragraph("", say("ways.none")));
    return section;
  }
  const list = element("ol", {}, ...ways.map((way) => element("li", {}, element("button", { type: "button", "aria-pressed": "false" }, spellWay(way)))));
  const picture = drawPicture(ways);
  section.append(picture, list);
  let pinned = -1;
  const mark = (shown) => {
    const passed = new Set(ways[shown]?.steps.map(({ number }) => String(number)));
    for (const piece of pieces()) piece.classList.toggle("passed", passed.has(piece.dataset.source));
    for (const [at, path] of picture.querySelectorAll("path").entries()) path.classList.toggle("faint", shown >= 0 && at !== shown);
    for (const [at, button] of list.querySelectorAll("button").entries()) button.setAttribute("aria-pressed", String(at === pinned));
  };
  for (const nodes of [picture.querySelectorAll("path"), list.querySelectorAll("button")]) for (const [at, node] of nodes.entries()) {
    node.addEventListener("mouseenter", () => mark(at));
    node.addEventListener("mouseleave", () => mark(pinned));
    node.addEventListener("click", () => {
      pinned = pinned === at ? -1 : at;
      mark(pinned);
      if (pinned >= 0) pieces().find((piece) => piece.classList.contains("passed"))?.scrollIntoView({ block: "nearest" });
    });
  }
  return section;
}

function drawPicture(ways) { // boxes for spans in columns from left to right, and a band for each way, as wide as its share
  const { boxes, bands, columns, height } = layOut(ways);
  const width = 100 / (columns + (columns - 1) * SPACE);
  const left = (column) => column * width * (1 + SPACE);
  const drawing = $("empty-drawing").cloneNode(true);
  for (const [name, value] of Object.entries({ id: "", viewBox: `0 0 100 ${height}`, height })) drawing.setAttribute(name, value);
  for (const [number, band] of bands.entries()) {
    const path = document.createElementNS(drawing.namespaceURI, "path");
    path.setAttribute("d", outline(band, left, width));
    const title = document.createElementNS(drawing.namespaceURI, "title");
    title.append(spellWay(ways[number]));
    path.append(title);
    drawing.append(path);
  }
  const frame = element("div", { class: "frame", style: `height: ${height}px; min-width: ${(100 * BOX) / width}rem` }, drawing,
    ...boxes.map(({ step, words, column, top, tall }) => element("div", {
      class: `box${step.number < 0 ? " target" : ""}`, title: step.title, dir: "auto",
      style: `left: ${left(column)}%; width: ${width}%; top: ${top}px; height: ${tall}px` },
    element("b", {}, step.name), element("span", {}, column && step.number >= 0 ? words.join(say("join")) : shorten(step.text, 60)))));
  return element("div", { class: "picture", role: "img", "aria-label": say("ways.picture"), tabindex: "0" }, frame);
}

function layOut(ways) { // places for boxes and bands; a band that passes a column has a place in it
  const depths = new Map();
  for (let changed = true; changed;) {
    changed = false;
    for (const { steps } of ways) steps.forEach(({ number }, at) => {
      const depth = at ? depths.get(steps[at - 1].number) + 1 : 0;
      if (number >= 0 && !(depths.get(number) >= depth)) { depths.set(number, depth); changed = true; }
    });
  }
  const columns = Math.max(...depths.values()) + 2;
  depths.set(-1, columns - 1);
  const thick = ways.map(({ share }) => Math.max(1.5, (WIDEST * share) / ways[0].share));
  const order = [...ways.keys()].sort((one, other) => ways[one].steps[0].start - ways[other].steps[0].start || one - other);
  const slots = Array.from({ length: columns }, () => new Map()); // by span, or by way where it passes
  for (const way of order) for (let column = 0; column < columns; column += 1) {
    const step = ways[way].steps.find(({ number }) => depths.get(number) === column);
    const key = step ? step.number : `passing ${way}`;
    if (!slots[column].has(key)) slots[column].set(key, { step, column, ways: [], tall: 0 });
    slots[column].get(key).ways.push(way);
  }
  const bands = ways.map(() => []);
  const sorted = slots.map((column) => [...column.values()].sort((one, other) => (one.step?.start ?? Infinity) - (other.step?.start ?? Infinity)));
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  for (const column of sorted) for (const slot of column) slot.tall = Math.max(slot.step ? ROW : 0, sum(slot.ways.map((way) => thick[way])) + (slot.step ? 8 : 0));
  const heights = sorted.map((column) => sum(column.map(({ tall }) => tall + GAP)) - GAP);
  const height = Math.ceil(Math.max(...heights));
  sorted.forEach((column, at) => {
    let top = (height - heights[at]) / 2;
    for (const slot of column) {
      slot.top = top;
      let y = top + (slot.tall - sum(slot.ways.map((way) => thick[way]))) / 2;
      for (const way of slot.ways) { bands[way].push([y, y + thick[way]]); y += thick[way]; }
      top += slot.tall + GAP;
    }
  });
  for (const slot of sorted.flat()) slot.words = [...new Set(slot.ways.sort((one, other) => one - other).map((way) =>
    quote(shorten(ways[way].steps.find(({ number }) => number === slot.step?.number)?.text ?? "", 30))))];
  return { boxes: sorted.flat().filter(({ step }) => step), bands, columns, height };
}

function outline(band, left, width) { // the upper edge from left to right, and the lower edge back
  const edge = (side, columns) => columns.map((column, at) => {
    const [from, to] = side ? [left(column) + width, left(column)] : [left(column), left(column) + width];
    const y = band[column][side];
    const before = columns[at - 1];
    const last = before === undefined ? null : side ? left(before) : left(before) + width;
    const curve = last === null ? `${side ? "L" : "M"} ${from} ${y}` : `C ${(last + from) / 2} ${band[before][side]} ${(last + from) / 2} ${y} ${from} ${y}`;
    return `${curve} L ${to} ${y}`;
  }).join(" ");
  const columns = [...band.keys()];
  return `${edge(0, columns)} ${edge(1, columns.toReversed())} Z`;
}
