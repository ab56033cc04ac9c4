// A prompt's text, line by line, shaded; and what the model wrote, to choose from.
const FAINT = 0.2; // of the strongest; lines below may be folded
const [FOLD_ABOVE, FEWEST_FOLDED] = [40, 4]; // lines of a text that is folded, and of a fold

let drawNumber = null; // a page with a server draws the number of a line that can be changed

function isSigned(data) { return mapOf(data).signed && state.shown === "direct"; } // only what raised it can be followed

// ---- what the model wrote --------------------------------------------------------------------------------------------

function drawWritten(place, data, target, chosen, choose) { // choose: is told what the reader chooses, as page.js keeps it
  const targets = targetsOf(data);
  const end = targets.length - 1;
  const [anchor, cursor] = Array.isArray(chosen) && chosen.length > 2 ? chosen.slice(2) : [target?.first, target?.last];
  const extend = (to) => [Math.min(anchor, to), Math.max(anchor, to), anchor, to];
  const isBlock = !["token", "word"].includes(state.targetBy);
  const list = element("div", { class: `choices${isBlock ? "" : " inline"}`, role: "listbox", "aria-multiselectable": "true",
    "aria-label": [...(state.with >= 0 ? [data.id] : []), say("written.choose")].join(say("clauses")), dir: "auto" });
  for (const one of targets) {
    const isChosen = Boolean(target) && one.number >= target.first && one.number <= target.last;
    const text = textOf(data, one);
    const option = element("span", { class: "choice", role: "option", "aria-selected": isChosen, dir: isBlock ? "auto" : null,
      tabindex: one.number === cursor ? 0 : -1 }, isBlock ? text.trim() || "↵" : text);
    option.addEventListener("click", (event) => choose(event.shiftKey ? extend(one.number) : [one.number, one.number]));
    list.append(option);
  }
  list.addEventListener("keydown", (event) => {
    const isCommand = event.ctrlKey || event.metaKey;
    const to = { ArrowRight: cursor + 1, ArrowDown: cursor + 1, ArrowLeft: cursor - 1, ArrowUp: cursor - 1, Home: 0, End: end }[event.key];
    if (event.key.toLowerCase() === "a" && isCommand) choose("all");
    else if (to === undefined || isCommand || event.altKey) return; // the browser's own keys, as Back
    else if (to >= 0 && to <= end) choose(event.shiftKey ? extend(to) : [to, to]);
    event.preventDefault();
  });
  const isAll = target?.first === 0 && target.last === end;
  const all = end > 0 ? [button(say("written.all"), () => choose(isAll ? null : "all"), { class: "all", "aria-pressed": isAll })] : [];
  const title = element("h3", {}, say(data.stopped.reason === "given" ? "written.given" : "written.title"));
  place.replaceChildren(element("div", { class: "title" }, title, element("span", { class: "hint" }, end > 0 ? say("written.hint") : ""), ...all), list);
  reveal(list, [...list.querySelectorAll("[aria-selected=true]")].at(-1));
}

function reveal(list, option) { // what is explained, in a list that scrolls
  if (!option) return;
  const [box, chosen] = [list, option].map((node) => node.getBoundingClientRect());
  list.scrollTop += Math.max(0, chosen.bottom - box.bottom);
}

// ---- the text --------------------------------------------------------------------------------------------------------

function drawText(place, { data, target, sources }, choose) {
  const text = element("div", { class: "text" });
  const end = { start: data.texts.length, stop: data.texts.length }; // instead of a target: nothing is shaded, all can be read
  const rows = listRows(data);
  const folds = state.unfolded ? [] : findFolds(data, rows, sources);
  for (let at = 0; at < rows.length; at += 1) {
    const fold = folds.find(([start]) => start === at);
    if (fold) {
      text.append(drawFold(rows, sources, fold));
      at = fold[1] - 1;
      continue;
    }
    if (rows[at].start === data.border) text.append(drawBeginning(data));
    text.append(drawRow(data, target ?? end, sources, rows[at], choose));
  }
  place.replaceChildren(element("h3", {}, say("text.title")), text, ...(target ? [drawLegend(data)] : []));
}

function drawBeginning(data) { return element("div", { class: "begins" }, say(data.stopped.reason === "given" ? "text.given" : "text.begins")); }

function listRows(data) { // each line, as a range of tokens; where the completion begins within a line, it begins a row
  const rows = [];
  let [start, line] = [0, 1];
  const end = (stop, isLine) => {
    if (stop > start || isLine) rows.push({ start, stop, line: rows.at(-1)?.line === line ? null : line });
    start = stop;
    if (isLine) line += 1;
  };
  data.texts.forEach((text, at) => {
    if (at === data.border) end(at, false);
    const breaks = text.split("\n").length - 1;
    if (breaks) end(at + 1, true);
    for (let more = 1; more < breaks; more += 1) { rows.push({ start: at + 1, stop: at + 1, line }); line += 1; }
  });
  end(data.texts.length, false);
  return rows;
}

function drawRow(data, target, sources, row, choose) {
  const line = element("span", { class: "line", dir: "auto" });
  const isWritten = row.start >= data.border;
  for (let at = row.start; at < row.stop;) {
    const source = sources[sources.ofToken[at]];
    const isTarget = at >= target.start && at < target.stop;
    const stop = Math.min(source.stop, row.stop, at < target.start ? target.start : at < target.stop ? target.stop : Infinity);
    line.append(...drawPiece(data, source, at, stop, isTarget, target));
    at = stop;
  }
  const number = drawNumber?.(data, row) ?? element("span", { class: "number", "aria-hidden": "true" }, row.line ?? "");
  const made = element("div", { class: `row${isWritten ? " own" : ""}` }, number, line);
  if (isWritten) made.addEventListener("click", ({ target: clicked }) => {
    const token = Number(clicked.closest("[data-token]")?.dataset.token);
    const found = targetsOf(data).find((one) => token >= one.start && token < one.stop);
    if (found) choose([found.number, found.number]);
  });
  return made;
}

function drawPiece(data, source, start, stop, isTarget, target) { // blanks around it are not painted
  const text = textOf(data, { start, stop }).replaceAll("\n", state.sourceBy === "token" ? "↵" : "");
  const [, before, words, after] = text.match(/^(\s*)([^]*?)(\s*)$/);
  if (!text) return [];
  const piece = element("span", { class: source.special ? "special" : "piece", "data-source": source.number, "data-token": start },
    source.special ? nameMark(words || text) : words || text);
  if (isTarget) piece.classList.add("target");
  else if (source.visible) {
    paint(piece, source.level, isSigned(data));
    piece.title = state.shown === "direct" ? say("text.share", { share: percent(source.share), score: source.score.toPrecision(3) })
      : say("text.shares", { total: percent(source.total), direct: percent(source.direct), through: percent(source.through) });
  } else if (source.passed) piece.title = say("text.passed", { share: percent(source.passed) });
  else if (start >= target.stop) piece.classList.add("later");
  if (source.special) piece.title = say("text.special");
  return words ? [before, piece, after].filter(Boolean) : [piece];
}

function nameMark(text) { // a mark of the model's format, in plain words if it is a common one
  const key = `special.${text.slice(1, -1)}`;
  return key in WORDS[language] ? say(key) : text;
}

// ---- lines that matter little ----------------------------------------------------------------------------------------

function findFolds(data, rows, sources) { // half-open ranges of rows of the prompt whose sources are all faint; one row beside others stays
  if (rows.length <= FOLD_ABOVE) return [];
  const listed = new Set(strongestOf(sources).map(({ number }) => number));
  const isFaint = rows.map(({ start, stop }) => {
    if (stop > data.border) return false;
    for (let at = start; at < stop; at += 1) {
      const source = sources[sources.ofToken[at]];
      if (Math.abs(source.level) >= FAINT || listed.has(source.number)) return false;
    }
    return true;
  });
  const folds = [];
  for (let at = 0; at < rows.length; at += 1) {
    if (!isFaint[at]) continue;
    let stop = at;
    while (isFaint[stop]) stop += 1;
    const range = [at === 0 ? 0 : at + 1, stop - 1];
    if (range[1] - range[0] >= FEWEST_FOLDED) folds.push(range);
    at = stop;
  }
  return folds;
}

function drawFold(rows, sources, [start, stop]) {
  const found = new Set();
  for (let at = rows[start].start; at < rows[stop - 1].stop; at += 1) found.add(sources.ofToken[at]);
  const share = [...found].reduce((sum, number) => sum + Math.abs(sources[number].share), 0);
  const [first, last] = [rows[start].line, rows[stop - 1].line];
  return button(say("text.fold", { first, last, share: percent(share) }), () => change({ unfolded: true }), { class: "fold" });
}

function withPlaces(data, sources) { // for each token the number of its source
  sources.ofToken = new Int32Array(data.texts.length);
  for (const { number, start, stop } of sources) sources.ofToken.fill(number, start, stop);
  return sources;
}
