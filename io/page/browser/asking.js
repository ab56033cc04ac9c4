// What else a reader can ask of a prompt: take each of its parts away, and measure its shares otherwise.
const TAKEN = ["line", "sentence", "paragraph", "word"];
const PANELS = { each: buildEach, ask: buildAsk };

function closePanels(...but) { // one at a time
  if (!but.includes("editor")) closeEditor();
  for (const name of Object.keys(PANELS)) if (!but.includes(name)) $(`${name}-panel`).hidden = true;
  markActions();
}

function togglePanel(name) {
  const panel = $(`${name}-panel`);
  if (!panel.hidden) {
    panel.hidden = true;
    return markActions();
  }
  closePanels(name);
  panel.replaceChildren(...PANELS[name](), element("p", { class: "problem", role: "alert" }));
  panel.dataset.of = `${record(state.id).given.id} ${language}`;
  panel.hidden = false;
  markActions();
  if (name === "each") drawAskedTarget();
  panel.querySelector("select, button").focus();
}

function markActions() { // what is open
  const open = { edit: !$("editor").hidden, each: !$("each-panel").hidden, ask: !$("ask-panel").hidden };
  for (const [name, isOpen] of Object.entries(open)) $(name).setAttribute("aria-expanded", String(isOpen));
  $("edit").classList.toggle("draft", Boolean(drafts[record(state.id).given.id]?.isDirty)); // more is typed than was sent
}

async function sendFrom(panel, request) {
  const go = panel.querySelector("button.main");
  go.disabled = true;
  try {
    const [job] = await submit(request);
    panel.hidden = true;
    markActions();
    watchJob(job);
  } catch (error) {
    setText(panel.querySelector(".problem"), error.message);
    go.disabled = false;
  }
}

function sayChoice(values, name, chosen) {
  const select = element("select", { autocomplete: "off" });
  fill(select, values, chosen, values.map(name));
  select.value = chosen;
  return select;
}

// ---- each part away --------------------------------------------------------------------------------------------------

function buildEach() {
  const by = sayChoice(TAKEN, (name) => say(`cuts.${name}`, { count: 1 }), "line");
  const go = sayButton("serve.each.go", () => sendFrom($("each-panel"), describeEach(by.value)), { class: "main" });
  return [said("p", "serve.each.text"), element("p", { id: "asked-target", class: "facts" }), element("div", { class: "actions" }, field("serve.each.by", by), go)];
}

function drawAskedTarget() {
  const target = targetOf(record(state.id), state.chosen);
  $("asked-target").replaceChildren(...(target ? [say("serve.each.target"), " ", markTarget(record(state.id), target)] : []));
}

function describeEach(by) { // for the part of the completion that the reader chose
  const data = record(state.id);
  const target = targetOf(data, state.chosen);
  const isOne = target && target.first === target.last;
  return { kind: "each", id: data.given.id, by, target: target ? (isOne ? String(target.first + 1) : textOf(data, target).trim()) : null, target_by: state.targetBy, author: authorOf().trim() };
}

function drawRewritten(data) { // what the model wrote without each part: about the chosen target, or what was tried last
  if (!data.rewritten) return [];
  const chosen = targetOf(data, state.chosen);
  const asked = chosen ? textOf(data, chosen) : "";
  const { parts, by, target } = data.rewritten.findLast((one) => asked.includes(one.target)) ?? data.rewritten.at(-1);
  const changed = parts.filter(({ written }) => written !== null);
  const count = parts.length;
  const row = ({ line, text, written }) => element("tr", { class: written === null ? null : "changed" },
    element("td", { class: "number line-number" }, String(line)), element("td", { class: "text-cell", dir: "auto" }, shorten(text, 160)),
    element("td", { class: "text-cell", dir: "auto" }, written === null ? say("serve.each.same") : written ? shorten(written, 300) : say("prompt.empty-short")));
  const head = element("thead", {}, tableRow("th", [[say("list.columns.line"), "number"], [say("serve.each.without")], [say("serve.each.then")]]));
  const make = (some) => element("table", { class: "rewritten" }, head.cloneNode(true), element("tbody", {}, ...some.map(row)));
  const rest = parts.filter(({ written }) => written === null);
  return [element("summary", {}, say("serve.each.title", { id: data.id, target: shorten(target, 60) })),
    paragraph("", changed.length ? say("serve.each.changing", { count: changed.length, of: count, parts: say(`cuts.${by}`, { count }) })
      : say("serve.each.none", { count, parts: say(`cuts.${by}`, { count }) })),
    ...(changed.length ? [make(changed)] : []),
    ...(rest.length ? [element("details", {}, element("summary", {}, say("serve.each.rest", { count: rest.length })), make(rest))] : [])];
}

// ---- otherwise -------------------------------------------------------------------------------------------------------

function buildAsk() {
  const map = mapOf(record(state.id));
  const names = (start) => Object.keys(WORDS.en).filter((key) => key.startsWith(start)).map((key) => key.slice(start.length));
  const method = sayChoice(names("methods."), (name) => say(`methods.${name}`), map.name);
  const objective = sayChoice(names("objectives."), (name) => say(`objectives.${name}`), map.objective);
  const foil = element("input", { type: "text", autocomplete: "off", maxlength: 500, dir: "auto" });
  const send = () => sendFrom($("ask-panel"), { kind: "ask", id: record(state.id).given.id, method: method.value, objective: objective.value, foil: foil.value.trim() || null, author: authorOf().trim() });
  return [said("p", "serve.ask.text"), element("div", { class: "fields" }, field("controls.method", method), field("serve.ask.objective", objective), field("serve.ask.foil", foil)),
    element("div", { class: "actions" }, sayButton("serve.ask.go", send, { class: "main" }))];
}
