// How a target came about: the strongest ways through the model's own words, drawn and as text, and what the numbers mean.
const N_WAYS = 5;
const MANY = 0.5; // of the direct sources are own words: say so
const FEW = 0.005; // not worth saying
const [ROW, GAP, WIDEST] = [46, 10, 18]; // px: heights of a box, of what is between boxes, and of the strongest way
const [BOX, SPACE] = [7, 0.6]; // rem: the least width of a box; and what is between columns, in boxes
let isContractOpen = false;

// ---- in words --------------------------------------------------------------------------------------------------------

function drawFollowed(data, target, sources) { // lines about what is shaded
  const facts = (text) => element("p", { class: "facts followed" }, text);
  if (state.shown === "direct") {
    const own = sources.reduce((sum, { start, share }) => sum + (start >= data.border ? Math.abs(share) : 0), 0);
    return own > MANY && !obstacleOf(data, target, "through")
      ? [facts(`${percent(own)} lies on the model's own words: “in all” follows them back to the prompt.`)] : [];
  }
  const { own, stuck, clipped, chain } = traceOf(data, target);
  const lines = [state.shown === "through" ? "Shown: what came to it through the model's own words before it."
    : "Shown: what it comes from in all, directly and through the model's own words before it."];
  lines.push(chain.words.length ? `${percent(own)} of its scores lie on the model's own words; these are followed back to the prompt.`
    : "The model wrote nothing before it: all of it comes from the prompt directly.");
  if (stuck > FEW) lines.push(`${percent(stuck)} can't be followed further: it lies on own words without a positive score.`);
  if (clipped > 0) lines.push(`Only scores that raise a word can be followed: ${percent(clipped)} of all are negative and left out.`);
  if (mapOf(data).doubt) lines.push("The surer the model was of one of its own words, the less it passes on to others.");
  return [facts(lines.join(" ")), facts("The written words are held fixed: only writing again (promptlight why, promptlight try --each line) "
    + "shows what would change.")];
}

function drawContract(data, target) { // what is scored, what is held fixed, what a source is (arXiv:2605.23080)
  const { title, objective, removed, signed, doubt } = mapOf(data);
  const points = {
    Scored: `the ${objective} of the amber part${target.foil ? `, against that of “${shorten(target.foil, 60)}”` : ""}, by ${title}`
      + `${removed ? `, which takes whole ${removed}s of the prompt away` : ""}. ${signed ? "The sign says whether a source raised it." : "It says how strongly, not in which direction."}`,
    "Held fixed": "the model, the prompt, and every word of the completion as it was written.",
    "A source": `a token that the model read before the amber part, its own words included; here summed up to ${state.sourceBy}s. `
      + "Special tokens such as <bos> (small and grey) are none.",
    "Through its own words": "each word of the model has sources, too. A way's share is the product of the shares along it, and all ways "
      + `are added up. ${doubt ? "The surer the model was of one of its own words, the less it passes on to others."
        : "A word hands its whole share on, however sure the model was of it."}`,
    "Not said": "what the model would have written without a part of the prompt. Only writing again shows that: promptlight why, or "
      + "promptlight try --each line.",
  };
  const block = element("details", { class: "contract", open: isContractOpen ? "" : null },
    element("summary", {}, "What these numbers are: what is scored, what is held fixed, what a source is"),
    element("dl", {}, ...Object.entries(points).flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)])));
  block.firstChild.addEventListener("click", () => { isContractOpen = !block.open; });
  return block;
}

function lineOf(data, { start, stop }) { // the line of a span's first visible character, from 1
  const [blanks] = textOf(data, { start, stop }).match(/^[\s\u2409-\u240d\u241c-\u241f]*(?=\S)|^/);
  return 1 + [...textOf(data, { start: 0, stop: start }), ...blanks].filter((character) => character === "\n").length;
}

function wordAt(data, unit) {
  const bounds = boundsOf(data, "word");
  const number = bounds.findLastIndex((start) => start <= unit);
  return textOf(data, { start: bounds[number], stop: bounds[number + 1] }).trim();
}

function labelOf(text) { return text.match(/^[ \t]*(\p{L}[\p{L}\p{N}_ -]{0,23}):(?=\s|$)/u)?.[1]; } // as in “Analysis: ...”

function nameLine(data, span) { // the label of the line where a span begins, or else its number
  const number = lineOf(data, span);
  return labelOf(data.texts.join("").split("\n")[number - 1]) ?? `line ${number}`;
}

function nameTarget(data, target) { // its label, its line's number, or its text if it begins within a line
  const text = textOf(data, target).trim();
  const isWithin = textOf(data, { start: 0, stop: target.start }).split("\n").at(-1).trim();
  return labelOf(text) ?? (isWithin ? `“${shorten(text, 24)}”` : `line ${lineOf(data, target)}`);
}

function describeWays(data, target) { // each way's share, and what it passes, from the prompt's span to the target
  const { chain } = traceOf(data, target);
  const bounds = boundsOf(data, state.sourceBy);
  const { isSpecial, names } = data.cuts[state.sourceBy];
  const prompt = [...bounds.keys()].filter((number) => bounds[number + 1] <= data.border && !isSpecial.has(number));
  const at = (number) => ({ number, start: bounds[number], stop: bounds[number + 1] });
  const isShort = ["token", "word"].includes(state.sourceBy); // named by its text
  const step = (number, name, text, comma) => ({ ...at(number), name, text, title: textOf(data, at(number)).trim(),
    spelled: isShort ? `“${shorten(textOf(data, at(number)), 50)}” in line ${lineOf(data, at(number))}` : `${name}${comma} “${shorten(text, 50)}”` });
  return findWays(chain, bounds, prompt, N_WAYS).map(({ source, stations, share }) => ({ share, steps: [
    step(source, names?.[source] ?? `line ${lineOf(data, at(source))}`, textOf(data, at(source)), ","),
    ...stations.map(({ span, unit }) => step(span, nameLine(data, at(span)), wordAt(data, unit), "")),
    { ...target, number: -1, name: "explained", text: textOf(data, target), title: textOf(data, target).trim(), spelled: nameTarget(data, target) }] }));
}

function spellWay({ share, steps }) { return `${spellPart(share)}  ${steps.map(({ spelled }) => spelled).join(" → ")}`; }

function spellPart(share) { return share < 0.00995 ? `${(100 * share).toFixed(2)}%` : percent(share); } // many words share a target

// ---- as a picture ----------------------------------------------------------------------------------------------------

function drawWays(place, data, target) {
  const section = element("div", { class: "ways" }, element("h3", {}, "The strongest ways through the model's own words"));
  const ways = describeWays(data, target);
  if (!ways.length) {
    section.append(element("p", {}, "Nothing came through them."));
    return section;
  }
  const list = element("ol", {}, ...ways.map((way) => element("li", {}, element("button", { type: "button", "aria-pressed": "false" }, spellWay(way)))));
  const picture = drawPicture(ways);
  section.append(picture, list);
  let pinned = -1;
  const mark = (shown) => {
    const passed = new Set(ways[shown]?.steps.map(({ number }) => String(number)));
    for (const piece of place.querySelectorAll(".text .piece")) piece.classList.toggle("passed", passed.has(piece.dataset.source));
    for (const [at, path] of picture.querySelectorAll("path").entries()) path.classList.toggle("faint", shown >= 0 && at !== shown);
    for (const [at, button] of list.querySelectorAll("button").entries()) button.setAttribute("aria-pressed", String(at === pinned));
  };
  for (const nodes of [picture.querySelectorAll("path"), list.querySelectorAll("button")]) for (const [at, node] of nodes.entries()) {
    node.addEventListener("mouseenter", () => mark(at));
    node.addEventListener("mouseleave", () => mark(pinned));
    node.addEventListener("click", () => {
      pinned = pinned === at ? -1 : at;
      mark(pinned);
      if (pinned >= 0) place.querySelector(".text .passed")?.scrollIntoView({ block: "nearest" });
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
    element("b", {}, step.name), element("span", {}, column && step.number >= 0 ? words.join(", ") : shorten(step.text, 60)))));
  return element("div", { class: "picture", role: "img", "aria-label": "Picture of the ways in the list below", tabindex: "0" }, frame);
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
    `“${shorten(ways[way].steps.find(({ number }) => number === slot.step?.number)?.text ?? "", 30)}”`))];
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
