// Change a prompt, or one of its lines, and let the model write again. What is typed is kept until it is sent or given up.
const [DRAFTS, AUTHOR] = ["promptlight-drafts", "promptlight-author"];
const drafts = readKept(ofTab, DRAFTS); // by the prompt's id: the text of each turn, the note, and the line if only one is edited
const editor = { id: null, given: null, isAsked: false, job: null, hasWords: false }; // id: of the prompt that is edited

const normalise = (text) => text.replaceAll("\r\n", "\n").replaceAll("\r", "\n"); // as a text area has it
const restore = (text, original) => (text === normalise(original) ? original : original.includes("\r\n") ? text.replaceAll("\n", "\r\n") : text);
const isChanged = ({ turns }, given) => turns.some((text, at) => text !== normalise(given.turns[at].text));
const said = (name, key, attributes = {}) => element(name, { "data-say": key, ...attributes }, ...markUp(say(key)));
const field = (key, control, attributes = {}) => element("label", { class: "stacked", ...attributes }, said("span", key), control);

function authorOf() { return readKept(() => localStorage, AUTHOR).name ?? ""; }

function keepAuthor(name) { keep(() => localStorage, AUTHOR, { name }); }

// ---- open and close --------------------------------------------------------------------------------------------------

function openEditor(number, line = null) { // line: the only one to edit, counted from 1
  const { given } = record(number);
  Object.assign(editor, { id: given.id, given, isAsked: false });
  const from = JSON.stringify(given.turns);
  if (drafts[given.id]?.from !== from) drafts[given.id] = { from, turns: given.turns.map(({ text }) => normalise(text)), note: "", line: null };
  const draft = drafts[given.id];
  draft.line = line === null ? null : findLine(draft, given, line);
  closePanels("editor");
  buildEditor(draft);
  const [area] = $("editor").querySelectorAll("textarea");
  area.focus({ preventScroll: true });
  if (!draft.line) area.setSelectionRange(0, 0);
  area.scrollTop = 0;
  $("editor").scrollIntoView({ block: "nearest" });
}

function findLine(draft, given, line) { // as a range of a turn's text; null: it is in none, or was edited away
  const turn = given.turns.findLastIndex((one) => one.line <= line);
  if (turn < 0) return null;
  const at = line - given.turns[turn].line;
  const lines = draft.turns[turn].split("\n");
  if (at >= lines.length) return null;
  const start = lines.slice(0, at).reduce((sum, text) => sum + text.length + 1, 0);
  return { number: line, turn, start, stop: start + lines[at].length };
}

function closeEditor() {
  if (editor.id !== null && drafts[editor.id] && !drafts[editor.id].isDirty) dropDraft(editor.id);
  editor.id = null;
  $("editor").hidden = true;
  $("editor").replaceChildren();
  markActions();
}

function discard() { // asks once more if something would be lost
  if (isChanged(drafts[editor.id], editor.given) && !editor.isAsked) {
    editor.isAsked = true;
    setText($("discard"), say("serve.edit.discard-really"));
    return;
  }
  dropDraft(editor.id);
  closeEditor();
  $("edit").focus();
}

function keepDrafts() { keep(ofTab, DRAFTS, drafts); }

function restoreDraft(given, { turns: sent, turn, text, note }) { // of what was sent
  const turns = given.turns.map((one) => normalise(one.text));
  for (const one of sent ?? [{ turn, text }]) turns[one.turn] = normalise(one.text);
  drafts[given.id] = { from: JSON.stringify(given.turns), turns, note, line: null, isDirty: true };
  keepDrafts();
  markActions();
}

function dropDraft(id) {
  delete drafts[id];
  keepDrafts();
}

function hasDrafts() { return Object.values(drafts).some(({ isDirty }) => isDirty); }

// ---- the form --------------------------------------------------------------------------------------------------------

function buildEditor(draft) {
  const { given } = editor;
  const areas = draft.line ? [drawLineArea(draft)] : given.turns.map((turn, at) => drawArea(draft, turn, at));
  const whole = draft.line ? [sayButton("serve.edit.whole", () => { draft.line = null; rebuild(draft); }, { class: "all" })] : [];
  const note = element("input", { type: "text", autocomplete: "off", maxlength: 500, dir: "auto" });
  note.value = draft.note;
  note.addEventListener("input", () => { draft.note = note.value; keepDrafts(); });
  const author = drawAuthor();
  const write = sayButton("serve.edit.write", writeAgain, { id: "write", class: "main" });
  const drop = sayButton("serve.edit.discard", discard, { id: "discard", class: "all" });
  $("editor").replaceChildren(said("h3", "serve.edit.title"), ...areas, ...whole,
    element("div", { class: "fields" }, field("serve.note", note), field("serve.author", author)),
    element("div", { class: "actions" }, write, drop, said("span", "serve.edit.keys", { class: "facts" })), element("p", { id: "edit-problem", class: "problem", role: "alert" }));
  $("editor").hidden = false;
  markActions();
}

function rebuild(draft) {
  buildEditor(draft);
  $("editor").querySelector("textarea").focus();
}

function sayButton(key, act, attributes = {}) {
  const made = said("button", key, { type: "button", ...attributes });
  made.addEventListener("click", act);
  return made;
}

function drawAuthor() {
  const author = element("input", { type: "text", autocomplete: "name", maxlength: 80, dir: "auto" });
  author.value = authorOf();
  author.addEventListener("input", () => keepAuthor(author.value));
  return author;
}

function drawArea(draft, turn, at) {
  const area = makeArea(draft.turns[at], (text) => { draft.turns[at] = text; typed(draft); });
  const label = turn.role ? element("span", {}, say("serve.edit.turn", { role: turn.role, number: at + 1 })) : said("span", "serve.edit.prompt");
  return element("label", { class: "stacked" }, label, area);
}

function drawLineArea(draft) {
  const { number, turn, start, stop } = draft.line;
  const [before, after] = [draft.turns[turn].slice(0, start), draft.turns[turn].slice(stop)];
  const area = makeArea(draft.turns[turn].slice(start, stop), (text) => {
    draft.turns[turn] = before + text + after;
    draft.line.stop = start + text.length;
    typed(draft);
  });
  return element("label", { class: "stacked" }, element("span", {}, say("serve.edit.line", { number })), area);
}

function makeArea(text, hear) { // as tall as its text, within reason
  const area = element("textarea", { dir: "auto", spellcheck: "false", autocomplete: "off" });
  const fit = () => { area.rows = Math.min(18, Math.max(2, area.value.split("\n").length + Math.floor(area.value.length / 90))); };
  area.value = text;
  fit();
  area.addEventListener("input", () => { fit(); hear(area.value); });
  return area;
}

function typed(draft) {
  draft.isDirty = isChanged(draft, editor.given);
  if (editor.isAsked) {
    editor.isAsked = false;
    setText($("discard"), say("serve.edit.discard"));
  }
  keepDrafts();
}

// ---- write again -----------------------------------------------------------------------------------------------------

async function writeAgain() {
  const { id, given } = editor;
  const draft = drafts[id];
  const all = draft.turns.map((text, turn) => ({ turn, text: restore(text, given.turns[turn].text) }));
  const changed = all.filter(({ turn, text }) => text !== given.turns[turn].text);
  const turns = changed.length || server.state?.model.repeats ? changed : all.slice(-1); // another model writes something else
  if (!turns.length) return setText($("edit-problem"), say("serve.edit.same"));
  const about = { note: draft.note.trim(), author: authorOf().trim() };
  const request = turns.length > 1 ? { kind: "write", parent: id, turns, ...about } : { kind: "write", parent: id, ...turns[0], ...about };
  $("write").disabled = true;
  try {
    const [job] = await submit(request);
    dropDraft(id);
    closeEditor();
    watchJob(job);
  } catch (error) {
    setText($("edit-problem"), error.message); // the draft stays
    if ($("write")) $("write").disabled = false;
  }
}

function watchJob(job) { // shows its words while they are written
  Object.assign(editor, { job: job.id, hasWords: false });
  drawProgress();
  $("progress").focus(); // not the button in it: a key that is pressed once more would cancel
}

function drawProgress() {
  const job = server.state?.jobs.find(({ id }) => id === editor.job);
  const isOpen = Boolean(job) && isOpenJob(job);
  if (!isOpen && !$("progress").hidden && $("progress").contains(document.activeElement)) $("main").focus({ preventScroll: true });
  $("progress").hidden = !isOpen;
  if (!isOpen) {
    editor.job = null;
    return;
  }
  const name = nameJob(job);
  setText($("progress-title"), name);
  setText($("progress-facts"), spellJob(job));
  setText($("stop-writing"), say("serve.cancel"));
  $("progress-bar").value = job.share ?? 0;
  $("progress-bar").setAttribute("aria-label", name);
  setText($("words-now"), job.text ?? "");
  if (job.text && !editor.hasWords) {
    editor.hasWords = true;
    setText($("told"), say("serve.first-word"));
  }
}
