// The controls: which prompts, which targets, cut how. The address always leads back to what is shown.
const dark = matchMedia("(prefers-color-scheme: dark)");
const nodes = [...document.querySelectorAll("script.record")];
const heads = nodes.map(({ dataset: { id, label, start } }) => ({ id, label, start }));
const records = nodes.map(() => null); // each is read when it is first shown
const firstWay = document.querySelector("input[name=way]:checked").value; // before the address is read
const state = { id: 0, with: -1, method: "", targetBy: "", sourceBy: "", colours: "",
  way: "", shown: "direct", target: -1, target2: -1 }; // way: the one asked for, shown: what the targets allow; target2 -1: follows

function record(number) {
  records[number] ??= JSON.parse(nodes[number].textContent);
  return records[number];
}

function show() {
  const data = record(state.id);
  fill($("method"), data.methods.map((one) => one.name), state.method, data.methods.map((one) => one.title));
  state.method = $("method").value;
  fill($("target-by"), Object.keys(mapOf(data).scores), state.targetBy);
  fill($("source-by"), data.offered, state.sourceBy);
  state.targetBy = $("target-by").value;
  state.sourceBy = $("source-by").value;
  $("colours").parentElement.hidden = !mapOf(data).signed;
  const target = targetOf(data);
  const sides = [{ data, target }, ...(state.with >= 0 ? [otherSide(data, target)] : [])];
  chooseWay(sides);
  const parts = { id: data.id, target: (target?.number ?? 0) + 1, explain: state.targetBy, shade: state.sourceBy };
  draw($("view"), data, target, (number) => choose({ target: number, target2: -1 }, "view"));
  $("other").hidden = $("moved").hidden = sides.length < 2;
  if (sides.length > 1) Object.assign(parts, showOther(sides));
  for (const button of document.querySelectorAll("nav button"))
    if (Number(button.dataset.number) === state.id) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  if (data.methods.length > 1) parts.method = state.method;
  if (mapOf(data).signed) parts.colours = state.colours;
  if (state.way !== "direct" || firstWay !== "direct") parts.way = state.way;
  history.replaceState(null, "", `#${new URLSearchParams(parts)}`);
}

function targetOf(data) { // the first opens, or the last, which has the most words before it, if these are followed
  const targets = targetsOf(data);
  return targets[state.target] ?? (state.way === "direct" ? targets[0] : targets.at(-1));
}

function otherSide(data, target) { // the prompt compared with; its target follows the first until it is chosen itself
  const other = record(state.with);
  const targets = targetsOf(other);
  const read = (one, spans) => spans.map((span) => textOf(one, span).trim());
  return { data: other, target: targets[state.target2]
    ?? (target && targets[findPartner(target.number, read(data, targetsOf(data)), read(other, targets))]) };
}

function showOther(sides) {
  const { data, target } = sides[1];
  draw($("other"), data, target, (number) => choose({ target2: number }, "other"));
  drawMoved($("moved"), sides);
  return { with: data.id, "with-target": (target?.number ?? 0) + 1 };
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
  $("no-way").textContent = [...obstacles].join(" ");
}

function choose(changed, view) {
  change(changed);
  $(view).querySelector("[aria-selected=true]").focus();
}

function change(changed) {
  Object.assign(state, changed);
  show();
}

function fill(select, names, wanted, titles = names) {
  const same = select.options.length === names.length && names.every((name, at) => select.options[at].value === name);
  if (!same) select.replaceChildren(...names.map((name, at) => element("option", { value: name }, titles[at])));
  const first = select.id === "method" ? names[0] : ["line", "sentence", "word"].find((name) => names.includes(name)) ?? names[0];
  select.value = names.includes(wanted) ? wanted : first;
}

function listPrompts() {
  const wanted = $("search").value.trim().toLowerCase();
  const has = (text) => text.toLowerCase().includes(wanted);
  const shown = heads.map((head, number) => ({ ...head, number })).filter((head) => !wanted || has(`${head.id} ${head.label}`)
    || has(nodes[head.number].textContent) || has(record(head.number).texts.join("")));
  $("found").textContent = `${shown.length} of ${nodes.length} prompts`;
  $("prompts").replaceChildren(...shown.map((head) => {
    const button = element("button", { type: "button", "data-number": head.number }, head.id, element("small", {}, head.label || head.start));
    button.addEventListener("click", () => change({ id: head.number, target: -1, target2: -1 }));
    if (head.number === state.id) button.setAttribute("aria-current", "true");
    return element("li", {}, button);
  }));
}

function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const find = (id) => heads.findIndex((head) => head.id === id);
  state.id = Math.max(0, find(parts.get("id")));
  state.with = parts.has("with") ? find(parts.get("with")) : -1;
  state.target = Number(parts.get("target") ?? 0) - 1;
  state.target2 = Number(parts.get("with-target") ?? 0) - 1;
  state.method = parts.get("method") ?? "";
  state.targetBy = parts.get("explain") ?? "";
  state.sourceBy = parts.get("shade") ?? "";
  $("with").value = state.with;
  if (Object.hasOwn(SIGNED, parts.get("colours") ?? "")) $("colours").value = parts.get("colours");
  state.colours = $("colours").value;
  state.way = Object.hasOwn(WAY_NAMES, parts.get("way") ?? "") ? parts.get("way") : firstWay;
}

$("with").append(element("option", { value: -1 }, "nothing"), ...heads.map((head, number) => element("option", { value: number }, head.id)));
$("with").addEventListener("change", (event) => change({ with: Number(event.target.value), target2: -1 }));
$("target-by").addEventListener("change", (event) => change({ targetBy: event.target.value, target: -1, target2: -1 }));
$("method").addEventListener("change", (event) => change({ method: event.target.value }));
$("source-by").addEventListener("change", (event) => change({ sourceBy: event.target.value }));
$("colours").addEventListener("change", (event) => change({ colours: event.target.value }));
$("way").addEventListener("change", (event) => change({ way: event.target.value, target: targetOf(record(state.id))?.number ?? -1 }));
$("intensity").addEventListener("input", show);
$("search").addEventListener("input", listPrompts);
dark.addEventListener("change", show);
addEventListener("beforeprint", () => { for (const block of document.querySelectorAll(".contract")) block.open = true; });
addEventListener("afterprint", () => { for (const block of document.querySelectorAll(".contract")) block.open = isContractOpen; });
addEventListener("hashchange", () => { readAddress(); show(); });
if (nodes.length) { readAddress(); listPrompts(); show(); }
