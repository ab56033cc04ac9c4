// The controls: which prompts, which targets, cut how, in which language. The address always leads back to what is shown.
const OPENING = JSON.parse($("opening").textContent); // what `report` was asked to open with
const FACTS = JSON.parse($("sources").textContent); // of each folder of results, by name
const CUTS = ["line", "sentence", "word"]; // the first that there are
// with -1: nothing. chosen, chosen2: "all", the first and last target, also with the one where the choice began and the one
// where it is now, or null: as the page opens, or as the first side. method: what the reader wants, though a prompt may lack it.
const state = {
  view: "one", id: 0, with: -1, chosen: null, chosen2: null, unfolded: false,
  method: "", targetBy: "", sourceBy: "", colours: "", way: "", shown: "direct", pool: "sum", marking: "highlight", intensity: NEUTRAL_INTENSITY };

// ---- what is shown ---------------------------------------------------------------------------------------------------

const DRAWN = "#head, #written, #written2, #found, #found2, #moved, #beside, #text, #overview"; // anew each time

function show() {
  const focused = document.activeElement;
  const place = focused?.closest(DRAWN);
  const at = place ? listStops(place).indexOf(focused) : -1;
  draw();
  if (at >= 0) returnFocus(place, at);
}

function listStops(place) { return [...place.querySelectorAll("button, summary, [tabindex='0']")]; }

function returnFocus(place, at) { // to what stands where the keyboard was, or else to what the model wrote
  const isLost = () => !document.activeElement?.closest(DRAWN)?.getClientRects().length;
  const stops = listStops(place);
  for (const stop of [stops[at], ...(place.id === "head" ? stops : []), $("written").querySelector("[tabindex='0']"), $("main")])
    if (isLost() && stop && !stop.disabled) stop.focus({ preventScroll: true });
}

const alsoDraw = []; // what a server adds to the page: told of the prompt that is shown

function draw() {
  const data = record(state.id);
  fillControls(data);
  document.body.dataset.view = state.view;
  for (const one of document.querySelectorAll("#views button")) one.setAttribute("aria-pressed", String(one.dataset.view === state.view));
  if (state.view === "overview") drawOverview($("overview"));
  else showPrompts(data);
  drawFooter(data);
  markList();
  writeAddress(data);
  for (const drawMore of alsoDraw) drawMore(data);
}

function showPrompts(data) {
  const sides = [{ data, target: targetOf(data, state.chosen) }, ...(state.with >= 0 ? [otherSide(data)] : [])];
  chooseWay(sides);
  const isTwo = sides.length > 1;
  document.body.classList.toggle("two", isTwo);
  drawHead($("head"), data);
  for (const name of ["written2", "moved", "beside", "found2"]) $(name).hidden = !isTwo;
  $("text").hidden = isTwo;
  const choices = [(chosen) => chooseTarget({ chosen, chosen2: null }, "written"), (chosen) => chooseTarget({ chosen2: chosen }, "written2")];
  sides.forEach((side, at) => {
    const [written, found] = ["written", "found"].map((name) => $(`${name}${at ? 2 : ""}`));
    side.sources = withPlaces(side.data, side.target ? sourcesOf(side.data, side.target) : plainSourcesOf(side.data));
    side.pieces = () => [...document.querySelectorAll(isTwo ? `#beside [data-side="${at}"] .piece` : "#text .piece")];
    drawWritten(written, side.data, side.target, at ? state.chosen2 : state.chosen, choices[at]);
    drawFound(found, side);
    if (isTwo) written.prepend(paragraph("id", side.data.id));
  });
  if (!isTwo) drawText($("text"), sides[0], choices[0]);
  else {
    drawMoved($("moved"), sides);
    drawBeside($("beside"), sides, choices);
  }
}

function targetOf(data, chosen) { // as it was chosen, else as the page opens: what the report was asked for, or the last
  const targets = targetsOf(data);
  if (!targets.length) return null;
  const end = targets.length - 1;
  const opening = data.opening && state.targetBy === data.opening.by ? data.opening.targets : [end, end];
  const [first, last] = chosen === "all" ? [0, end] : chosen ?? opening;
  return joinTargets(targets, [first, last].map((number) => Math.min(number, end)));
}

function otherSide(data) { // the prompt compared with; its target follows the first until it is chosen itself
  const other = record(state.with);
  return { data: other, target: targetOf(other, state.chosen2 ?? carry(data, other)) };
}

function carry(data, other) { // the first side's choice on another prompt: the same text, else the same number
  const target = targetOf(data, state.chosen);
  if (state.chosen === "all") return "all";
  if (!target || !targetsOf(other).length) return null; // numbers of other cuts say nothing
  const read = (one) => targetsOf(one).map((span) => textOf(one, span).trim());
  return findPartner([target.first, target.last], read(data), read(other));
}

function chooseWay(sides) { // the way asked for if all targets can be followed that way; the page says why if not
  const obstacles = new Set();
  state.shown = state.way;
  for (const choice of document.querySelectorAll("input[name=way]")) {
    const found = sides.map(({ data, target }) => ({ data, why: obstacleOf(data, target, choice.value) })).filter(({ why }) => why);
    choice.disabled = found.length > 0;
    const isShared = found.length === sides.length && found.every(({ why }) => why === found[0].why);
    for (const { data, why } of found) obstacles.add(isShared ? why : `${data.id}: ${why}`);
    if (found.length && choice.value === state.way) state.shown = "direct";
  }
  for (const choice of document.querySelectorAll("input[name=way]")) choice.checked = choice.value === state.shown;
  const why = [...obstacles].join(say("sentences"));
  if ($("no-way").textContent !== why) $("no-way").textContent = why; // screen readers read it out each time
}

function drawHead(place, data) { // the prompt's name, and the way to the next ones
  const order = orderPrompts();
  const at = order.findIndex(([number]) => number === state.id);
  const step = (to, name, sign) => button(sign, () => open(order[to][0]), { class: "step", "aria-label": say(name), disabled: to < 0 || to >= order.length ? "" : null });
  const steps = heads.length > 1 ? [step(at - 1, "head.previous", "←"), element("span", { class: "facts" }, say("head.place", { number: at + 1, count: heads.length })),
    step(at + 1, "head.next", "→")] : [];
  place.replaceChildren(element("h2", {}, data.id), paragraph("facts label", data.label), element("div", { class: "steps" }, ...steps), ...drawAttempt(state.id));
}

function drawFooter(data) { // of each folder that what is shown comes from
  const sides = [data, ...(state.with >= 0 ? [record(state.with)] : [])].filter(({ source }, side) => side === 0 || source !== data.source);
  const named = state.view === "overview" ? EVERYTHING.folders.map((folder, source) => [folder, FACTS[source]]) : sides.map(({ id, source }) => [id, FACTS[source]]);
  const shown = named.filter(([, facts]) => facts);
  $("footer").hidden = !shown.length;
  $("facts").replaceChildren(...shown.flatMap(([name, facts]) => [
    ...(shown.length > 1 ? [element("dt", { class: "of" }, name)] : []),
    ...Object.entries(facts).flatMap(([fact, value]) => [element("dt", {}, say(`facts.${fact}`)), element("dd", {}, inLanguage(value))])]));
}

// ---- what the reader does --------------------------------------------------------------------------------------------

function change(changed) {
  Object.assign(state, changed);
  $("notice").textContent = "";
  show();
}

function step(changed) { // the browser's Back leads to what was shown before
  if (["view", "id", "with"].some((name) => name in changed && changed[name] !== state[name])) history.pushState(null, "");
  change(changed);
}

function chooseTarget(chosen, place) {
  change(chosen);
  $(place).querySelector("[tabindex='0']")?.focus();
}

function open(number, go = step) { // another prompt: a choice of the reader carries over, as in a comparison
  const chosen = state.chosen === null ? null : carry(record(state.id), record(number));
  go({ view: "one", id: number, with: number === state.with ? -1 : state.with, chosen, chosen2: null, unfolded: false });
}

function chooseMethod(method) { // one that scored other targets takes those that overlap the targets chosen before
  const target = targetOf(record(state.id), state.chosen);
  state.method = method;
  const names = explainedOf(record(state.id));
  if (names.includes(state.targetBy)) change({});
  else cutTargets(chooseCut(names), target);
}

function cutTargets(by, target = targetOf(record(state.id), state.chosen)) { // targets that overlap those chosen before become the new choice
  state.targetBy = by;
  const found = targetsOf(record(state.id)).filter(({ start, stop }) => target && start < target.stop && stop > target.start);
  if (state.chosen !== "all") state.chosen = found.length ? [found[0].number, found.at(-1).number] : null;
  change({ chosen2: null });
}

function speak(chosen) {
  language = chosen;
  fillAll();
}

function fillAll() { // with words, too
  $("language").value = language;
  fillWords();
  fillNames();
  if (!heads.length) return;
  listPrompts();
  show();
}

// ---- the controls ----------------------------------------------------------------------------------------------------

function fillControls(data) {
  const cuts = (names) => names.map((name) => say(`cuts.${name}`, { count: 2 }));
  state.method ||= data.methods[0].name;
  fill($("method"), data.methods.map(({ name }) => name), state.method, data.methods.map(nameMethod));
  const explained = explainedOf(data);
  fill($("target-by"), explained, state.targetBy, cuts(explained));
  fill($("source-by"), data.offered, state.sourceBy, cuts(data.offered));
  state.targetBy = $("target-by").value;
  state.sourceBy = $("source-by").value;
  $("pool").value = poolOf();
  $("pool").disabled = state.way !== "direct";
  $("marking").value = state.marking;
  $("intensity").value = state.intensity;
  $("colours").value = state.colours;
  $("with").value = state.with;
  const sides = [data, ...(state.with >= 0 ? [record(state.with)] : [])];
  $("colours").parentElement.hidden = !sides.some((side) => mapOf(side).signed);
}

function fill(select, names, wanted, titles) {
  const same = select.options.length === names.length && names.every((name, at) => select.options[at].value === name && select.options[at].text === titles[at]);
  if (!same) select.replaceChildren(...names.map((name, at) => element("option", { value: name }, titles[at])));
  select.value = names.includes(wanted) ? wanted : chooseCut(names);
}

function chooseCut(names) { return CUTS.find((name) => names.includes(name)) ?? names[0]; }

function fillNames() { // of choices that are the same for every prompt
  $("views").hidden = !hasOverview();
  fill($("pool"), Object.keys(POOLS), state.pool, Object.keys(POOLS).map((name) => say(`pools.${name}`)));
  fill($("marking"), ["highlight", "underline"], state.marking, ["highlight", "underline"].map((name) => say(`markings.${name}`)));
  fill($("colours"), Object.keys(SIGNED), state.colours, Object.values(SIGNED).map(([raised, lowered]) =>
    say("controls.hues", { raised: say(`hues.${raised}`), lowered: say(`hues.${lowered}`) })));
  fill($("with"), ["-1", ...heads.keys()].map(String), String(state.with), [say("controls.nothing"), ...heads.map(({ id }) => id)]);
  const labels = [...new Set(heads.map(({ label }) => label).filter(Boolean))].sort();
  $("labels").parentElement.hidden = labels.length < 2;
  fill($("labels"), ["", ...labels], listing.label ?? $("labels").value, [say("list.every-label"), ...labels]);
  $("labels").value ||= "";
  listing.label = null;
  document.title = OPENING.title ?? say("page.title");
  $("title").textContent = document.title;
}

function listShown() { // the prompts that the search and the label leave
  const wanted = $("search").value.trim().toLowerCase();
  const has = (text) => text.toLowerCase().includes(wanted);
  const label = $("labels").value;
  return orderPrompts().map(([number, depth]) => ({ ...heads[number], number, depth })).filter((head) => (!label || head.label === label)
    && (!wanted || has(`${head.id} ${head.label} ${head.attempt?.note ?? ""} ${head.attempt?.author ?? ""}`) || has(readText(head.number))));
}

function listPrompts() {
  const shown = listShown();
  const skipped = EVERYTHING.skipped.length;
  $("shown").textContent = [say("list.found", { shown: shown.length, count: heads.length }), ...(skipped ? [say("skipped.count", { count: skipped })] : [])].join(say("clauses"));
  $("prompts").replaceChildren(...shown.map(({ id, number, written, attempt, depth }) => {
    const tried = attempt ? [element("small", { class: "tried", dir: "auto" }, spellAttempt(attempt))] : [];
    const item = element("li", { role: "option", "data-number": number, tabindex: -1, style: depth ? `margin-inline-start: ${Math.min(depth, 4)}rem` : null },
      id, element("small", { dir: "auto" }, written || say("prompt.empty-short")), ...tried);
    item.addEventListener("click", () => open(number));
    return item;
  }));
  markList();
}

function markList() { // one stop of the keyboard: the arrows move from prompt to prompt
  const items = [...$("prompts").children];
  const current = items.find((item) => Number(item.dataset.number) === state.id);
  for (const item of items) {
    item.setAttribute("aria-selected", String(item === current));
    item.tabIndex = item === (current ?? items[0]) ? 0 : -1;
  }
}

function moveInList(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own keys, as Back
  const items = [...$("prompts").children];
  const at = items.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1, Enter: at, " ": at }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  if (!items[next]) return;
  open(Number(items[next].dataset.number), change);
  items[next].focus();
}

// ---- the address -----------------------------------------------------------------------------------------------------

const spellRange = (chosen) => (chosen === "all" ? "all" : chosen[0] === chosen[1] ? chosen[0] + 1 : `${chosen[0] + 1}-${chosen[1] + 1}`);

function readRange(text) {
  if (text === null || text === "all") return text;
  const [, first, last = first] = text.match(/^(\d+)(?:-(\d+))?$/) ?? [];
  return 1 <= Number(first) && Number(first) <= Number(last) ? [first - 1, last - 1] : null;
}

function writeAddress(data) {
  const target = targetOf(data, state.chosen);
  const parts = { id: data.id, target: target ? spellRange(state.chosen === "all" ? "all" : [target.first, target.last]) : 1, explain: state.targetBy, shade: state.sourceBy };
  if (state.view !== "one") Object.assign(parts, { view: state.view }, choiceOf());
  if (state.with >= 0) {
    const other = otherSide(data).target;
    Object.assign(parts, { with: heads[state.with].id, ...(other ? { "with-target": spellRange([other.first, other.last]) } : {}) });
  }
  if (data.methods.length > 1 || state.method !== data.methods[0].name) parts.method = state.method;
  if (!$("colours").parentElement.hidden) parts.colours = state.colours;
  for (const name of ["way", "pool", "marking", "intensity"]) if (state[name] !== OPENING[name]) parts[name] = state[name];
  if (language !== chooseLanguage(navigator.languages)) parts.lang = language;
  history.replaceState(null, "", `#${new URLSearchParams(parts)}`);
}

function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const find = (id) => heads.findIndex((head) => head.id === id);
  const known = (name, values) => (values.includes(parts.get(name)) ? parts.get(name) : OPENING[name]);
  state.view = hasOverview() && (parts.get("view") ?? (location.hash.length > 1 ? "one" : OPENING.view)) === "overview" ? "overview" : "one";
  if (state.view === "overview") readChoice(parts);
  state.id = Math.max(0, find(parts.get("id") ?? OPENING.id));
  state.with = parts.has("with") ? find(parts.get("with")) : -1;
  Object.assign(state, { chosen: readRange(parts.get("target")), chosen2: readRange(parts.get("with-target")) });
  state.method = parts.get("method");
  if (!(`methods.${state.method}` in WORDS[language])) state.method = "";
  state.targetBy = parts.get("explain") ?? OPENING.targetBy ?? "";
  state.sourceBy = parts.get("shade") ?? OPENING.sourceBy ?? "";
  state.colours = known("colours", Object.keys(SIGNED));
  state.way = known("way", ["direct", "through", "all"]);
  state.pool = known("pool", Object.keys(POOLS));
  state.marking = known("marking", ["highlight", "underline"]);
  const intensity = Number(parts.get("intensity"));
  state.intensity = intensity >= 0.01 && intensity <= 1 ? intensity : OPENING.intensity;
  if (Object.hasOwn(WORDS, parts.get("lang"))) language = parts.get("lang");
}

function showAddress() { // and say what of it is not here
  const asked = new URLSearchParams(location.hash.slice(1));
  readAddress();
  fillAll();
  if (!heads.length) return;
  const found = new URLSearchParams(location.hash.slice(1));
  const shown = { lang: language, ...state, method: mapOf(record(state.id)).name, ...Object.fromEntries(found) };
  const unlike = [...asked].filter(([name, value]) => Object.hasOwn(shown, name) && String(shown[name]) !== value);
  const unknown = unlike.filter(([name]) => ["id", "with"].includes(name)).map(([, id]) => say("page.unknown", { id }));
  const parts = unlike.map((part) => part.join("=")).join(say("join"));
  $("notice").textContent = unknown.length ? unknown.join(say("sentences")) : parts && say("page.unlike", { parts });
}

const wide = matchMedia("(min-width: 50.01rem)");
const print = (isOn) => { isPrinting = isOn; for (const block of document.querySelectorAll(".contract")) block.open = isOn || isContractOpen; };

function listen() {
  const on = (id, event, act) => $(id).addEventListener(event, act);
  for (const name of ["pool", "marking", "colours"]) on(name, "change", ({ target }) => change({ [name]: target.value }));
  on("method", "change", ({ target }) => chooseMethod(target.value));
  on("source-by", "change", ({ target }) => change({ sourceBy: target.value }));
  on("target-by", "change", ({ target }) => cutTargets(target.value));
  on("with", "change", ({ target }) => step({ with: Number(target.value), chosen2: null }));
  on("way", "change", ({ target }) => change({ way: target.value }));
  on("intensity", "input", ({ target }) => change({ intensity: Number(target.value) }));
  on("search", "input", () => { listPrompts(); if (state.view === "overview") show(); });
  on("labels", "change", () => { listPrompts(); if (state.view === "overview") show(); });
  on("prompts", "keydown", moveInList);
  on("language", "change", ({ target }) => speak(target.value));
  on("open-help", "click", () => $("help").showModal());
  on("close-help", "click", () => $("help").close());
  on("skip", "click", () => $("main").focus());
  for (const one of document.querySelectorAll("#views button")) one.addEventListener("click", () => step({ view: one.dataset.view }));
  dark.addEventListener("change", show);
  addEventListener("beforeprint", () => { print(true); state.wasUnfolded = state.unfolded; state.unfolded = true; show(); print(true); });
  addEventListener("afterprint", () => { print(false); state.unfolded = state.wasUnfolded; show(); });
  addEventListener("hashchange", showAddress);
}

$("options").open = wide.matches; // on a phone the text comes first
fill($("language"), Object.keys(WORDS), language, Object.values(WORDS).map((words) => words.language));
if (heads.length) listen();
showAddress();
