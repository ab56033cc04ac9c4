// Prompts that were tried: each stands below the prompt that was changed, with its note, its author and its time.

function parentOf(number) { // what it stands below; -1: it is no changed prompt, or the page does not have what was changed
  const { source, given } = heads[number];
  const same = given === undefined ? -1 : heads.findIndex((head) => head.given === given);
  return source > 0 && same >= 0 && same < number ? same : findChanged(number); // the same, asked otherwise
}

function findChanged(number) { // the prompt that was changed; in the folder around if another model wrote the new one
  const { attempt, source } = heads[number];
  if (!attempt?.parent) return -1;
  const here = heads.findIndex((head) => head.id === attempt.parent && head.source === source);
  const names = [attempt.of, `${attempt.of} (${EVERYTHING.folders[0]})`]; // with several folders, names have theirs
  return here >= 0 ? here : heads.findIndex((head) => head.source === 0 && names.includes(head.id));
}

function nameChanged(number) { // as the page has it
  return heads[findChanged(number)]?.id ?? heads[number].attempt.of;
}

function orderPrompts() { // as [number, depth]: those of the run as they were written, each followed by what came of it
  if (orderPrompts.of?.length === heads.length) return orderPrompts.of;
  const children = new Map();
  heads.forEach((_, number) => {
    const parent = parentOf(number);
    children.set(parent, [...(children.get(parent) ?? []), number]);
  });
  const order = new Map();
  const place = (number, depth) => {
    if (order.has(number)) return;
    order.set(number, depth);
    for (const child of children.get(number) ?? []) place(child, depth + 1);
  };
  for (const number of children.get(-1) ?? []) place(number, 0);
  for (const number of heads.keys()) place(number, 0); // each is the other's parent
  return (orderPrompts.of = [...order]);
}

const isolate = (text) => text && `\u2068${text}\u2069`; // text of another direction leaves what is around it in order

function spellAttempt({ note, author, made }, ...others) { // in one line
  const tag = navigator.languages.find((one) => one.split("-")[0] === language.split("-")[0]) ?? language; // as the reader's region writes it
  const when = new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "short" }).format(new Date(made));
  return [note && quote(isolate(note)), isolate(author), ...others, when].filter(Boolean).join(say("clauses"));
}

function drawAttempt(number) { // below the prompt's name: what it came from, and how to compare the two
  const { attempt } = heads[number];
  if (!attempt) return [];
  const parent = parentOf(number);
  const from = attempt.parent ? say("attempt.from", { id: nameChanged(number) }) : say("attempt.new");
  const compare = parent < 0 ? [] : [button(say("attempt.compare", { id: heads[parent].id }), () => compareWith(parent, number), { class: "all" })];
  return [element("div", { class: "attempt" }, element("span", { class: "facts" }, spellAttempt(attempt, from)), ...compare)];
}

function compareWith(before, after) { // the reader's target carries over
  const chosen = state.id === before || state.chosen === null ? state.chosen : carry(record(state.id), record(before));
  step({ view: "one", id: before, with: after, chosen, chosen2: null, unfolded: false });
}
