// What mattered over many prompts: as Python averaged it (summary.py), of each folder, and of the label that is chosen.
const EVERYTHING = JSON.parse($("everything").textContent); // of all prompts together, and the records that were skipped
const firstShown = () => (matchMedia("screen and (max-width: 50rem)").matches ? 3 : 5); // of a summary's sources

function summariesOf(label) { return EVERYTHING.summaries.filter((one) => one.label === (label || null)); }

function drawSummary(summary, having, choose) { // having: the source whose prompts are shown; `choose` is told another, or null
  const { source, prompts, without, groups, more, once } = summary;
  const { by } = EVERYTHING.question;
  const folder = EVERYTHING.folders.length > 1 ? [element("h4", {}, EVERYTHING.folders[source])] : [];
  const left = without ? [say("summary.without", { count: without })] : [];
  const asked = say("summary.asked", { cuts: say(`cuts.${by}`, { count: 2 }), target: nameAsked(), count: prompts });
  const columns = [["share", "number"], ["range"], ["prompts", "number"], ["top", "number"], ["text"]];
  const head = element("thead", {}, tableRow("th", columns.map(([name, style]) => [say(`summary.${name}`), style])));
  const largest = Math.max(...groups.flatMap(({ share, low, high }) => [share, low, high].map(Math.abs)));
  const rows = groups.map((group, number) => {
    const row = drawGroup(group, largest, having?.group === group, () => choose(having?.group === group ? null : { group }));
    row.hidden = number >= firstShown();
    return row;
  });
  const rest = [more ? say("summary.more", { count: more }) : "", once ? say("summary.once", { count: once }) : ""].filter(Boolean);
  const made = element("div", { class: "summary" }, ...folder, paragraph("", [asked, ...left].join(say("sentences"))),
    element("table", {}, head, element("tbody", {}, ...rows)));
  if (groups.length > firstShown()) made.append(button(say("summary.all", { count: groups.length }), ({ target }) => {
    for (const row of rows) row.hidden = false;
    target.remove();
  }, { class: "all" }));
  if (rest.length) made.append(paragraph("facts", rest.join(say("sentences"))));
  return made;
}

function nameAsked() { // what the sources mattered for
  const { target, targetBy, way } = EVERYTHING.question;
  const [cut, number] = [say(`cuts.${targetBy}`, { count: 1 }), Number(target)];
  const name = target === null ? say("summary.target.whole") : target === "-1" ? say(`overview.last.${targetBy}`)
    : Number.isInteger(number) ? say("summary.target.number", { cut, number }) : quote(target);
  return way === "direct" ? name : say(`summary.target.${way}`, { target: name });
}

function drawGroup(group, largest, isChosen, choose) {
  const { name, share, low, high, top, words, in: numbers } = group;
  const text = button(name ? shorten(name, 160) : say("summary.blank"), choose, { class: "go", dir: "auto", "aria-pressed": isChosen, title: say("summary.choose") });
  const strongest = words.length ? [element("small", { dir: "auto" }, say("summary.words", { words: words.join(say("join")) }))] : [];
  const range = say("summary.of", { low: (100 * low).toFixed(1), high: percent(high) });
  return element("tr", { class: isChosen ? "chosen" : null }, element("td", { class: "number", "data-name": say("summary.share") }, percent(share)),
    element("td", { class: "spread" }, drawBar(share, low, high, largest), element("small", {}, range)),
    element("td", { class: "number", "data-name": say("summary.prompts") }, String(numbers.length)),
    element("td", { class: "number", "data-name": say("summary.top") }, String(top)), element("td", { class: "text-cell" }, text, ...strongest));
}

function drawBar(share, low, high, largest) { // as long as the share, with a thin line over its range
  const sign = share < 0 ? -1 : 1;
  const part = (number) => Math.min(1, Math.max(0, (sign * number) / (largest || 1)));
  const [start, stop] = [part(sign < 0 ? high : low), part(sign < 0 ? low : high)];
  const wide = (number) => `${(100 * number).toFixed(1)}%`;
  return element("span", { class: "bar", "aria-hidden": "true" },
    element("span", { class: sign < 0 ? "part lowers" : "part", style: `width: ${wide(part(share))}` }),
    element("span", { class: "range", style: `left: ${wide(start)}; width: ${wide(stop - start)}` }));
}
