// What waits for the model, for everyone to see; and what becomes of what this reader asked for.
const MINE = "promptlight-jobs"; // of this tab, by id: what was asked, until its end is shown
const shownJobs = new Map(); // by id, the nodes of each: they stay, so that the keyboard keeps its place

function readKept(store, key) { // what the browser keeps; in some frames it keeps nothing
  try {
    return JSON.parse(store().getItem(key)) ?? {};
  } catch {
    return {};
  }
}

function keep(store, key, value) {
  try {
    store().setItem(key, JSON.stringify(value));
  } catch { /* it is there until the page is closed */ }
}

const ofTab = () => sessionStorage;
const mine = readKept(ofTab, MINE);

async function submit(request) { // the jobs that were taken; raises Refusal
  const { jobs } = await askJson("jobs", { method: "POST", body: request });
  const kept = request.kind === "file" ? { kind: "file" } : request; // not its text, once for each of its prompts
  for (const job of jobs) mine[job.id] = kept;
  keep(ofTab, MINE, mine);
  const known = new Set(server.state?.jobs.map(({ id }) => id));
  if (server.state) takeState({ ...server.state, jobs: [...server.state.jobs, ...jobs.filter(({ id }) => !known.has(id))] });
  return jobs;
}

async function cancelJob(id) {
  try {
    await ask(`jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
  } catch (error) {
    tellOutcome(error.message);
  }
}

function remember(id, request) {
  mine[id] = request;
  keep(ofTab, MINE, mine);
}

function forget(id) {
  delete mine[id];
  keep(ofTab, MINE, mine);
}

const isOpenJob = ({ state: phase }) => phase === "waiting" || phase === "running";
const findGiven = (id) => heads.findIndex((head) => head.given === id); // as the server finds it: those of the run come first
const findMade = ({ makes, number }) => (heads[number]?.given === makes ? number : -1); // maybe in a folder within the results
const nameJob = ({ kind, parent, makes }) => say(`serve.jobs.${kind}${kind === "write" && parent === null ? "-new" : ""}`, { parent: parent ?? "", makes: makes ?? "" });

// ---- its end ---------------------------------------------------------------------------------------------------------

function settle(isLate = false) { // shows what came of this tab's jobs; isLate: the news of a prompt may have been missed
  for (const [id, request] of Object.entries(mine)) {
    const job = server.state.jobs.find((one) => one.id === id);
    if (!job) forget(id); // long ago
    else if (job.state === "failed" && !request.told) tellOutcome(say("serve.failed", { name: nameJob(job), error: job.error ?? "" }), canRetry(job) ? [say("serve.again"), () => tryAgain(job)] : null);
    else if (job.state === "done" && job.kind === "write" && findMade(job) >= 0) present(job, findMade(job), request);
    else if (job.state === "done" && isLate && job.kind !== "write" && heads[job.number]) present(job, job.number, request);
    if (job?.state === "cancelled" || (job?.state === "failed" && !request.told)) giveBack(request);
    if (job?.state === "cancelled") forget(id);
    else if (job?.state === "failed" && !request.told) remember(id, { ...request, told: true });
  }
}


function giveBack(request) { // what was typed, where nothing came of it; unless something else was typed meanwhile
  if (request.kind !== "write") return;
  if (request.parent === null) {
    if ($("new").open || $("new-text").value) return;
    for (const name of ["text", "id", "note"]) $(`new-${name}`).value = request[name] ?? "";
    $("new-chat").checked = request.chat;
    return;
  }
  const number = findGiven(request.parent);
  if (number >= 0 && editor.id !== request.parent && !drafts[request.parent]?.isDirty) restoreDraft(record(number).given, request);
}

function hearRecord(number, id) { // of the kinds that make no prompt of the results' own
  const job = server.state.jobs.find((one) => one.id === id);
  if (id in mine && job && job.kind !== "write") present(job, number, mine[id]);
}

function present(job, number, request) { // a comparison, unless the reader went elsewhere
  forget(job.id);
  if (request.kind === "file") return tellOutcome(say("serve.done", { name: heads[number].id }), [say("serve.show"), () => open(number)]);
  const parent = job.kind === "write" ? findGiven(job.parent) : findGiven(request.id);
  const show = () => { go(); if (job.kind === "each") showRewritten(); };
  const isThere = state.view === "one" && (parent < 0 || state.id === parent || state.with === parent);
  const go = job.kind === "each" || parent < 0 ? () => open(number) : () => compareWith(parent, number);
  const done = say(job.kind === "each" ? "serve.done-each" : "serve.done", { name: heads[number].id });
  if (isThere && number !== state.id) go();
  if (isThere && job.kind === "each") $("rewritten").open = true;
  tellOutcome(done, isThere && job.kind !== "each" ? null : [say("serve.show"), show]);
}

function comeBack() { // where the keyboard's place is gone
  if (!document.activeElement || document.activeElement === document.body) $("main").focus({ preventScroll: true });
}

function showRewritten() {
  $("rewritten").open = true;
  $("rewritten").scrollIntoView({ block: "nearest" });
  $("rewritten").querySelector("summary").focus({ preventScroll: true });
}

function tellOutcome(text, action = null) { // read out once; action: a button's words, and what it does
  const act = () => {
    $("outcome").replaceChildren();
    action[1]();
    comeBack();
  };
  const close = () => { $("outcome").replaceChildren(); comeBack(); };
  $("outcome").replaceChildren(element("span", {}, text), ...(action ? [" ", button(action[0], act, { class: "all" })] : []), " ", button("×", close, { class: "all", "aria-label": say("serve.new.close") }));
}

function canRetry({ id }) { return id in mine && mine[id].kind !== "file"; } // of a file, the others are there

async function tryAgain({ id }) {
  const { told, ...request } = mine[id];
  try {
    await submit(request);
    forget(id);
  } catch (error) {
    tellOutcome(error.message);
  }
}

// ---- the panel -------------------------------------------------------------------------------------------------------

function drawQueue({ jobs, model }) {
  const waiting = jobs.filter(isOpenJob);
  const failed = jobs.filter(({ state: phase }) => phase === "failed");
  const listed = [...waiting.sort((one, other) => (one.place ?? 0) - (other.place ?? 0)), ...failed.slice(-N_FAILED)];
  $("queue").hidden = !listed.length;
  setText($("queue-summary"), [waiting.length ? say("serve.queue.waiting", { count: waiting.length }) : "", failed.length ? say("serve.queue.failed", { count: failed.length }) : ""]
    .filter(Boolean).join(say("clauses")));
  setText($("model-state"), model.status === "failed" ? say("serve.model.failed", { name: model.name, error: model.error ?? "" }) : say(`serve.model.${model.status}`, { name: model.name }));
  const ids = new Set(listed.map(({ id }) => id));
  const focused = document.activeElement;
  for (const [id, { item }] of shownJobs) if (!ids.has(id)) {
    const isLost = item.contains(focused);
    item.remove();
    shownJobs.delete(id);
    if (isLost) ($("queue").hidden ? $("main") : $("queue-summary")).focus({ preventScroll: true });
  }
  listed.forEach((job, at) => {
    const shown = shownJobs.get(job.id) ?? makeJob(job);
    fillJob(shown, job);
    if ($("jobs").children[at] !== shown.item) $("jobs").insertBefore(shown.item, $("jobs").children[at] ?? null);
  });
}

const N_FAILED = 5;
const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; }; // a live region speaks only of news

function makeJob(job) {
  const shown = { name: element("b", { dir: "auto" }), facts: element("span", { class: "facts" }),
    bar: element("progress", { max: 1 }), stop: button("", () => cancelJob(job.id), { class: "all" }), again: button("", () => tryAgain(job), { class: "all" }) };
  shown.item = element("li", { "data-job": job.id }, shown.name, " ", shown.facts, " ", shown.bar, " ", shown.stop, shown.again);
  shownJobs.set(job.id, shown);
  return shown;
}

function fillJob(shown, job) {
  const name = nameJob(job);
  const isOpen = isOpenJob(job);
  setText(shown.name, name);
  setText(shown.facts, spellJob(job));
  shown.bar.hidden = job.state !== "running";
  shown.bar.value = job.share ?? 0;
  shown.bar.setAttribute("aria-label", name);
  setText(shown.stop, say("serve.cancel"));
  shown.stop.setAttribute("aria-label", say("serve.cancel-job", { name }));
  shown.stop.hidden = !isOpen;
  setText(shown.again, say("serve.again"));
  shown.again.setAttribute("aria-label", say("serve.again-job", { name }));
  shown.again.hidden = job.state !== "failed" || !canRetry(job);
}

function spellJob(job) { // where it is, and whose
  const where = job.state === "failed" ? job.error : job.state === "waiting" ? say("serve.place", { place: job.place ?? "" }) : say(`serve.phases.${job.phase || "writing"}`);
  const left = isOpenJob(job) && job.left !== null && job.left !== undefined ? spellTime(job.left) : "";
  return [where, left, isolate(job.author), job.note && quote(isolate(shorten(job.note, 60)))].filter(Boolean).join(say("clauses"));
}

function spellTime(seconds) {
  return seconds < 90 ? say("serve.left.seconds", { count: Math.max(1, Math.round(seconds)) }) : say("serve.left.minutes", { count: Math.round(seconds / 60) });
}
