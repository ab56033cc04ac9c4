// All prompts in a table: what was written, what mattered most for it, and what was checked; and what was skipped.
// The rows are built once in each language; then they are only put in order, and hidden.
const MOST_NAMED = 3; // parts that change an answer
const listing = { // order: as the rows are; having: a source of the summary; label: as the address has it, until it is chosen
  language: null, columns: [], rows: [], order: null, sort: null, down: false, having: null, label: null };
const hasOverview = () => heads.length > 1 || EVERYTHING.skipped.length > 0;
const COLUMNS = { // how a cell is drawn, and what it is sorted by: numbers with the largest first
  id: { draw: drawName, key: ({ id }) => id },
  written: { draw: drawLastLine, key: ({ written }) => written || null },
  strongest: { draw: drawStrongest, key: ({ strongest }) => (strongest ? Math.abs(strongest.share) : null) },
  probability: { draw: ({ probability }) => [probability === null ? "" : roundProbability(probability, (most) => `>${most}`)], key: ({ probability }) => probability, style: "number" },
  verdict: { draw: drawVerdict, key: ({ verdict }) => (verdict ? verdict.beaten / verdict.random - (verdict.rule ? 1e-6 : 0) : null) },
  tried: { draw: drawTried, key: ({ tried }) => tried?.changing.length ?? null },
};

function drawOverview(place) {
  if (listing.language !== language) buildOverview(place);
  const label = $("labels").value;
  if (listing.having && !summariesOf(label).some(({ groups }) => groups.includes(listing.having.group))) listing.having = null;
  placeRows();
  drawAcross(label);
  showRows();
}

function buildOverview(place) {
  Object.assign(listing, { language, order: null });
  listing.columns = Object.keys(COLUMNS).filter((name) => !["probability", "verdict", "tried"].includes(name) || heads.some((head) => head[name] ?? null));
  listing.rows = heads.map(drawPrompt);
  const head = element("thead", {}, element("tr", {}, ...listing.columns.map(drawHeading)));
  place.replaceChildren(element("h2", {}, say("overview.title")), element("section", { id: "across", "aria-label": say("summary.title") }),
    element("p", { id: "having", role: "status" }), element("table", { class: "overview", "aria-label": say("overview.title") }, head, element("tbody", { id: "rows" })),
    element("p", { id: "none", role: "status" }, say("overview.none")), ...drawNotes(), ...drawSkipped());
}

// ---- order and choice ------------------------------------------------------------------------------------------------

function drawHeading(name) {
  const text = name === "strongest" && heads.every((head) => !("asked" in head)) ? say("overview.strongest-last") : say(`overview.${name}`);
  const sort = button(text, () => sortBy(name), { class: "sort", title: say("overview.sort") });
  return element("th", { scope: "col", class: COLUMNS[name].style, "data-column": name }, sort);
}

function sortBy(name) { // again: the other way round; a third time: as the prompts were written
  const isFirst = listing.sort !== name;
  const starts = heads.some((head) => typeof COLUMNS[name].key(head) === "number");
  const isLast = !isFirst && listing.down !== starts;
  Object.assign(listing, { sort: isLast ? null : name, down: isFirst ? starts : !listing.down });
  placeRows();
  writeAddress(record(state.id));
}

function orderRows() { // numbers of prompts; what has no value comes last
  const numbers = orderPrompts().map(([number]) => number);
  if (listing.sort === null) return numbers;
  const keys = heads.map(COLUMNS[listing.sort].key);
  const { compare } = new Intl.Collator(language, { numeric: true });
  const sign = listing.down ? -1 : 1;
  const weigh = (one, other) => (typeof one === "string" ? compare(one, other) : one - other);
  return numbers.sort((a, b) => (keys[a] === null) - (keys[b] === null) || (keys[a] === null ? 0 : sign * weigh(keys[a], keys[b])) || a - b);
}

function placeRows() { // again only if their order changed: laying out many takes a while
  const order = `${listing.sort} ${listing.down}`;
  if (listing.order === order) return;
  listing.order = order;
  $("rows").replaceChildren(...orderRows().map((number) => listing.rows[number]));
  for (const head of document.querySelectorAll("th[data-column]"))
    head.setAttribute("aria-sort", head.dataset.column !== listing.sort ? "none" : listing.down ? "descending" : "ascending");
}

function showRows() {
  const shown = new Set(listShown().map(({ number }) => number));
  const having = listing.having && new Set(listing.having.group.in);
  listing.rows.forEach((row, number) => { row.hidden = !shown.has(number) || Boolean(having && !having.has(number)); });
  $("none").hidden = listing.rows.some((row) => !row.hidden);
  $("having").replaceChildren(...(having ? [say("overview.having", { text: shorten(listing.having.group.name || say("summary.blank"), 80) }), " ",
    button(say("overview.all"), () => choosePrompts(null), { class: "all" })] : []));
}

function drawAcross(label) {
  const found = summariesOf(label);
  $("across").hidden = !found.length;
  $("across").replaceChildren(element("h3", {}, say("summary.title")), ...found.map((one) => drawSummary(one, listing.having, choosePrompts)),
    paragraph("facts", ...markUp(say("summary.notes"))));
}

function choosePrompts(having) { // those that have a source of the summary; null: all
  const [group, isOpen] = [(having ?? listing.having)?.group, !$("across").querySelector("tr[hidden]")];
  listing.having = having;
  drawAcross($("labels").value);
  if (isOpen) for (const more of $("across").querySelectorAll("button.all")) more.click();
  showRows();
  const groups = summariesOf($("labels").value).flatMap((one) => one.groups);
  $("across").querySelectorAll("button.go")[groups.indexOf(group)]?.focus();
  if (having) $("having").scrollIntoView({ block: "nearest" });
  writeAddress(record(state.id));
}

function choiceOf() { // what the address keeps of the table
  const { sort, down, having } = listing;
  const parts = { find: $("search").value.trim(), label: $("labels").value, sort: sort && `${down ? "-" : ""}${sort}`, having: having && having.group.name };
  return Object.fromEntries(Object.entries(parts).filter(([name, value]) => value || (name === "having" && value === "")));
}

function readChoice(parts) {
  const [, down, sort] = (parts.get("sort") ?? "").match(/^(-?)(.*)$/);
  $("search").value = parts.get("find") ?? "";
  Object.assign(listing, { label: parts.get("label") ?? "", sort: Object.hasOwn(COLUMNS, sort) ? sort : null, down: Boolean(down), having: null });
  const group = summariesOf(listing.label).flatMap(({ groups }) => groups).find(({ name }) => name === parts.get("having"));
  if (group) listing.having = { group };
}

// ---- one prompt ------------------------------------------------------------------------------------------------------

function drawPrompt(head, number) { // a click anywhere on it opens it
  const row = element("tr", { "data-number": number }, ...listing.columns.map((name) =>
    element("td", { class: COLUMNS[name].style, "data-column": name, "data-name": say(`overview.${name}`), dir: ["written", "strongest"].includes(name) ? "auto" : null },
      ...COLUMNS[name].draw(head, number))));
  row.addEventListener("click", ({ target }) => { if (!target.closest("button") && getSelection().isCollapsed) open(number); });
  return row;
}

function drawName({ id, label, attempt }, number) {
  const from = attempt?.parent ? say("attempt.from", { id: nameChanged(number) }) : "";
  return [button(id, () => open(number), { class: "go" }), ...(attempt ? [element("small", { class: "tried", dir: "auto" }, spellAttempt(attempt, from))]
    : label ? [element("small", {}, label)] : [])];
}

function drawLastLine({ written, lines, ended }, number) { // and all of the text when it is asked for
  const text = element("span", { class: "wrote" }, written || say("prompt.empty-short"));
  const whole = () => record(number).words.join("").trim();
  const more = lines > 1 ? [button(say("overview.more", { count: lines }), ({ target }) => {
    const isOpen = target.getAttribute("aria-expanded") !== "true";
    target.setAttribute("aria-expanded", isOpen);
    target.textContent = isOpen ? say("overview.less") : say("overview.more", { count: lines });
    text.textContent = isOpen ? whole() : written;
  }, { class: "more-lines", "aria-expanded": "false" })] : [];
  if (lines > 1) text.addEventListener("mouseenter", () => { text.title ||= whole(); });
  return [text, ...more, ...(ended ? [element("small", { class: "ended" }, say(`overview.ended.${ended.replaceAll(" ", "-")}`))] : [])];
}

function drawStrongest({ written, strongest, asked }) {
  if (asked === null && written) return [element("span", { class: "facts" }, say("overview.missing"))];
  if (!strongest) return [element("span", { class: "facts" }, say("overview.nothing"))];
  const where = [strongest.section, say("overview.line", { line: strongest.line })].filter(Boolean).join(say("join"));
  const of = asked ? [element("small", {}, say("overview.of", { text: shorten(asked, 60) }))] : [];
  return [element("b", {}, percent(strongest.share)), ` ${where}${say("overview.reads")}`, quote(shorten(strongest.text, 100)), ...of];
}

function drawVerdict({ verdict }) {
  if (!verdict) return [];
  const { beaten, random, chance, rule, of } = verdict;
  const title = [say("overview.beats", { beaten, random }), ...(of === undefined ? [] : [say("overview.measured", { target: of ? quote(shorten(of, 60)) : say("summary.target.whole") })]),
    ...(rule ? [say("overview.rule")] : [])].join(say("sentences"));
  const sign = { clearly: "✓", perhaps: "?", not: "✗", few: "–" }[chance];
  return [element("span", { class: `verdict ${chance}`, title }, element("span", { class: "sign-of", "aria-hidden": "true" }, sign), ` ${say(`overview.chance.${chance}`)}`),
    element("small", { title }, `${beaten}/${random}${rule ? "*" : ""}`)];
}

function drawTried({ tried }) {
  if (!tried) return [];
  const { by, count, changing } = tried;
  const parts = say(`cuts.${by}`, { count });
  if (!changing.length) return [say("overview.unchanged", { count, parts })];
  const texts = changing.map(({ line, text }) => `${say("overview.line", { line })}${say("overview.reads")}${quote(shorten(text, 100))}`).join("\n");
  const names = by === "line" ? [...new Set(changing.map(({ line }) => line))].sort((one, other) => one - other) : changing.map(({ text }) => quote(shorten(text, 30)));
  const named = names.slice(0, MOST_NAMED).join(say("join")) + (names.length > MOST_NAMED ? say("overview.others", { count: names.length - MOST_NAMED }) : "");
  return [element("span", { title: texts }, by === "line" ? say("overview.lines", { count: names.length, lines: named }) : named),
    element("small", {}, say("overview.of-tried", { count, parts }))];
}

// ---- below the table -------------------------------------------------------------------------------------------------

function drawNotes() { // what the columns mean
  const notes = ["probability", "verdict", "tried"].filter((name) => listing.columns.includes(name)).map((name) => say(`overview.notes.${name}`));
  if (heads.some(({ verdict }) => verdict?.rule)) notes.push(say("overview.notes.rule"));
  return notes.length ? [element("ul", { class: "notes facts" }, ...notes.map((note) => element("li", {}, ...markUp(note))))] : [];
}

function drawSkipped() { // so that nobody takes the table for all there is
  const { skipped } = EVERYTHING;
  if (!skipped.length) return [];
  const rows = skipped.map(({ id, file, line, reason }) => tableRow("td", [[id],
    [line === null ? file : say("skipped.place", { file, line })], [reason]]));
  return [element("section", { class: "skipped", "aria-label": say("skipped.title", { count: skipped.length }) },
    element("h3", {}, say("skipped.title", { count: skipped.length })),
    element("table", {}, element("thead", {}, tableRow("th", [[say("overview.id")], [say("skipped.record")], [say("skipped.reason")]])), element("tbody", {}, ...rows)))];
}
