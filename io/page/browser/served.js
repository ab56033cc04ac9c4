// The page with a server behind it: its buttons, its notes, its downloads, and the link that leads to what is shown.

function drawConnection() {
  const text = server.refused ? say("serve.refused-link") : server.connected === false ? say("serve.lost") : "";
  const again = server.refused ? [" ", button(say("serve.load-again"), () => location.reload(), { class: "all" })] : [];
  if ($("connection").firstChild?.textContent !== text) $("connection").replaceChildren(...(text ? [element("span", {}, text), ...again] : []));
  $("connection").hidden = !text;
}

function drawServed(data) { // with each prompt that is shown
  const { id } = data.given;
  const isOther = state.with >= 0 && record(state.with).given.id !== id;
  setText($("edit"), isOther ? say("serve.edit.open-one", { id: data.id }) : say("serve.edit.open"));
  setText($("edit2"), isOther ? say("serve.edit.open-one", { id: record(state.with).id }) : "");
  $("edit2").hidden = !isOther;
  if (editor.id !== null && ![id, isOther ? record(state.with).given.id : id].includes(editor.id)) closeEditor();
  for (const name of Object.keys(PANELS)) if ($(`${name}-panel`).dataset.of !== `${id} ${language}`) $(`${name}-panel`).hidden = true;
  if (!$("each-panel").hidden) drawAskedTarget();
  markActions();
  $("rewritten").replaceChildren(...drawRewritten(data));
  $("rewritten").hidden = !data.rewritten;
  if (state.view === "one") drawNoteButton();
  if (document.querySelector("#text .change-line")) $("text").querySelector("h3").after(paragraph("facts", say("serve.edit.hint")));
  if ([state.id, state.with].some((number) => server.stale.has(number))) refresh().catch(() => {}); // they changed meanwhile
  drawConnection();
  if (!server.state) return;
  drawQueue(server.state);
  drawProgress();
}

function hearState(heard) {
  drawQueue(heard);
  drawProgress();
  settle();
}

function drawEditedLine(data, { line, start }) { // a line's number as a button; the arrows go from one to the next
  if (line === null || start >= data.border || state.with >= 0 || findTurn(data, line) < 0) return null;
  const go = button(String(line), () => openEditor(state.id, line), { class: "number change-line", tabindex: -1, "aria-label": say("serve.edit.change-line", { number: line }), title: say("serve.edit.change-line", { number: line }) });
  return go;
}

function findTurn(data, line) {
  return data.given.turns.findLastIndex((turn) => line >= turn.line && line < turn.line + turn.text.split("\n").length);
}

function moveInLines(event) {
  const lines = [...document.querySelectorAll("#text .change-line")];
  const at = lines.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
  if (at < 0 || to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  lines[to]?.focus();
}

function openFirstLine() { // one stop of the keyboard
  const first = document.querySelector("#text .change-line");
  if (first) first.tabIndex = 0;
}

// ---- notes -----------------------------------------------------------------------------------------------------------

function drawNoteButton() { // beside what was tried
  const place = document.querySelector("#head .attempt");
  const isOwn = (number) => findGiven(heads[number].given) === number; // not the same asked otherwise, which has no note
  if (place && isOwn(state.id)) place.append(" ", button(say(heads[state.id].attempt.note ? "serve.notes.edit" : "serve.notes.add"), () => openNote(state.id), { class: "all" }));
  else if (!place && state.with >= 0 && heads[state.with].attempt && isOwn(state.with)) {
    const { attempt, id } = heads[state.with];
    $("head").append(element("div", { class: "attempt" }, element("span", { class: "facts" }, [id, spellAttempt(attempt)].join(say("clauses"))), " ",
      button(say(attempt.note ? "serve.notes.edit" : "serve.notes.add"), () => openNote(state.with), { class: "all" })));
  }
}

function openNote(number) {
  const { id, given, attempt } = heads[number];
  setText($("note-title"), say("serve.notes.title", { id }));
  $("note-text").value = attempt.note;
  $("note-author").value = attempt.author || authorOf();
  setText($("note-problem"), "");
  $("note-save").onclick = async () => {
    try {
      await ask("notes", { method: "POST", body: { id: given, note: $("note-text").value.trim(), author: $("note-author").value.trim() } });
      $("note").close();
      await takeRecord({ number, job: null });
    } catch (error) {
      setText($("note-problem"), error.message);
    }
  };
  $("note").showModal();
}

// ---- what leaves the page --------------------------------------------------------------------------------------------

async function download(path, name) {
  tellOutcome(say("serve.files.wait"));
  try {
    const address = URL.createObjectURL(await (await ask(path)).blob());
    const link = element("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    tellOutcome(say("serve.files.done", { name }));
  } catch (error) {
    tellOutcome(error.message);
  }
  $("downloads").open = false;
}

async function copyLink() { // it leads to what is shown; where the browser copies nothing, the link is shown
  try {
    await navigator.clipboard.writeText(location.href);
    tellOutcome(say("serve.link.copied"));
  } catch {
    const link = element("input", { type: "text", readonly: "", value: location.href, "aria-label": say("serve.link.copy") });
    $("outcome").replaceChildren(element("span", {}, say("serve.link.here")), link);
    link.select();
  }
}

// ---- the start -------------------------------------------------------------------------------------------------------

function listenServed() {
  const on = (id, act) => $(id).addEventListener("click", act);
  const toggle = (number) => (editor.id === record(number).given.id ? closeEditor() : openEditor(number));
  on("edit", () => toggle(state.id));
  on("edit2", () => toggle(state.with));
  on("each", () => togglePanel("each"));
  on("ask", () => togglePanel("ask"));
  on("stop-writing", () => cancelJob(editor.job));
  on("open-new", openNew);
  on("new-write", sendNew);
  on("new-close", () => $("new").close());
  on("note-close", () => $("note").close());
  on("get-report", () => download("files/report.html", "report.html"));
  on("get-table", () => download("files/results.csv", "results.csv"));
  on("copy-link", copyLink);
  for (const [place, act] of [["editor", writeAgain], ["new", sendNew]]) $(place).addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); act(); }
    else if (event.key === "Escape" && place === "editor") { closeEditor(); $("edit").focus(); }
  });
  for (const name of ["new-author", "note-author"]) $(name).addEventListener("input", ({ target }) => keepAuthor(target.value));
  $("text").addEventListener("keydown", moveInLines);
  addEventListener("beforeunload", (event) => { if (hasDrafts() && !server.isReloading) event.preventDefault(); });
  listenForFiles();
}

drawNumber = drawEditedLine;
alsoDraw.push(drawServed, openFirstLine);
listeners.state.push(hearState);
listeners.record.push(hearRecord);
listenServed();
$("try").hidden = wasEmpty;
if (!wasEmpty) show();
follow();
