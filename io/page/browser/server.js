// The server behind the page: what it is asked, and what it tells. A dropped connection is found again; nothing is lost by it.
// ms: until the next try; without a sound from the server; until many changes are summed up
const [RETRY, MOST_RETRY, SILENT, SUMMED] = [500, 8000, 20000, 800];
const server = { state: null, connected: null, refused: false, isReloading: false, heard: 0, stale: new Set() }; // stale: prompts to fetch again
const listeners = { state: [], record: [] }; // told of the server's state, and of each prompt that came or changed
const pause = (time) => new Promise((resolve) => { setTimeout(resolve, time); });

const wasEmpty = !heads.length;

class Refusal extends Error { // the server's sentence, for the reader
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

function tokenOf() { return new URLSearchParams(location.search).get("token") ?? ""; }

async function ask(path, { method = "GET", body, signal } = {}) { // the response; raises Refusal
  const headers = { Authorization: `Bearer ${tokenOf()}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  const address = new URL(path, location.origin + location.pathname);
  let response;
  try {
    response = await fetch(address, { method, headers, signal, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Refusal(say("serve.lost"), 0);
  }
  if (response.ok) return response;
  if (response.status === 401) refuse();
  const { error } = await response.json().catch(() => ({}));
  throw new Refusal(error || say("serve.refused", { status: response.status }), response.status);
}

async function askJson(path, options) { return (await ask(path, options)).json(); }

// ---- the connection --------------------------------------------------------------------------------------------------

function setConnected(connected) {
  if (server.connected === connected) return;
  server.connected = connected;
  drawConnection();
}

function refuse() { // the token is of another start of the server
  server.refused = true;
  drawConnection();
}

async function follow() { // for as long as the page is open
  for (let wait = RETRY; ; wait = Math.min(2 * wait, MOST_RETRY)) {
    if (!server.refused) try {
      await listenOnce(() => { wait = RETRY; });
    } catch {
      if (!server.refused) setConnected(false);
    }
    await pause(wait);
  }
}

async function listenOnce(begin) { // until the stream ends
  const stop = new AbortController();
  const response = await ask("events", { signal: stop.signal });
  const watch = setInterval(() => { if (Date.now() - server.heard > SILENT) poll().catch(() => stop.abort()); }, SILENT / 4);
  try {
    server.heard = Date.now();
    await catchUp();
    begin();
    setConnected(true);
    await readEvents(response.body.getReader());
  } finally {
    clearInterval(watch);
    stop.abort();
  }
}

async function poll() { // some proxies hold a stream back
  server.heard = Date.now();
  await catchUp();
}

async function readEvents(reader) {
  const decoder = new TextDecoder();
  for (let waiting = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    server.heard = Date.now();
    const blocks = (waiting + decoder.decode(value, { stream: true })).replaceAll("\r\n", "\n").split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) await handle(block);
  }
}

async function handle(block) {
  const fields = { event: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = line.match(/^(\w+): ?(.*)$/) ?? [];
    if (name === "data") fields.data += value;
    else if (name) fields[name] = value;
  }
  if (fields.event === "state") takeState(JSON.parse(fields.data));
  else if (fields.event === "record") await takeRecord(JSON.parse(fields.data));
}

// ---- what it tells ---------------------------------------------------------------------------------------------------

async function catchUp() { // what happened while nobody listened
  const before = server.state?.version;
  const state = await askJson("state");
  if (before !== undefined && before !== state.version) for (const number of heads.keys()) server.stale.add(number);
  if (wasEmpty && state.n_records) reload(); // the page begins with its first prompt
  const isLate = heads.length < state.n_records;
  if (before !== undefined && heads.length) await fetchRecord(heads.length - 1); // the last one: do both count alike?
  while (heads.length < state.n_records) await fetchRecord(heads.length);
  if (isLate || server.stale.size) await fetchSummary();
  takeState(state);
  if (isLate || server.stale.size) await refresh();
  settle(true);
}

function takeState(state) {
  server.state = state;
  for (const hear of listeners.state) hear(state);
}

async function takeRecord({ number, job }) { // one that is new, or that changed
  if (wasEmpty) reload();
  while (heads.length < number) await fetchRecord(heads.length);
  await fetchRecord(number);
  await refresh();
  for (const hear of listeners.record) hear(number, job);
  clearTimeout(server.summing);
  server.summing = setTimeout(() => fetchSummary().then(refresh).catch(() => {}), SUMMED); // once for a whole file of prompts
}

async function fetchRecord(number) {
  const { head, data } = await askJson(`records/${number}`);
  if (heads[number] && heads[number].id !== head.id) reload();
  heads[number] = head;
  records[number] = data;
  (readText.known ??= {})[number] = data.texts.join("");
  server.stale.delete(number);
}

function reload() { // the server counts its prompts in another way; the address and what is typed stay
  server.isReloading = true;
  location.reload();
  throw new Refusal(say("serve.lost"), 0);
}

async function fetchSummary() {
  const { sources, ...everything } = await askJson("summary");
  Object.assign(EVERYTHING, everything);
  if (sources) FACTS.splice(0, FACTS.length, ...sources); // a folder that came meanwhile has facts, too
}

async function refresh() { // draws anew what is shown
  for (const number of [state.id, state.with]) if (server.stale.has(number)) await fetchRecord(number);
  orderPrompts.of = null;
  listing.language = null;
  const groups = summariesOf($("labels").value).flatMap((one) => one.groups);
  const group = groups.find(({ name }) => name === listing.having?.group.name);
  listing.having = group ? { group } : null;
  const at = [...$("prompts").children].indexOf(document.activeElement);
  const focused = document.activeElement?.dataset.number;
  fillNames();
  listPrompts();
  if (at >= 0) $("prompts").querySelector(`[data-number="${focused}"]`)?.focus();
  show();
}
