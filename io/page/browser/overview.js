// All prompts in a table: what was written, and what mattered most for it.
function drawOverview(place) {
  const columns = ["id", "written", "strongest", "probability"];
  const table = element("table", { class: "overview" }, element("caption", {}, say("overview.title")));
  table.append(tableRow("th", columns.map((name) => [say(`overview.${name}`), name === "probability" ? "number" : null])));
  for (const { id, label, number, written, strongest, probability } of listShown()) {
    const go = button(id, () => open(number), { class: "go" });
    const most = strongest ? [element("b", {}, percent(strongest.share)), ` ${say("overview.line", { line: strongest.line })}${say("join")}${quote(shorten(strongest.text, 80))}`]
      : [say("overview.nothing")];
    table.append(element("tr", {}, element("td", {}, go, element("small", {}, label)), element("td", { dir: "auto" }, written || say("prompt.empty-short")),
      element("td", { dir: "auto" }, ...most), element("td", { class: "number" }, probability === null ? "" : `${Number((100 * probability).toPrecision(3))}%`)));
  }
  place.replaceChildren(table);
}
