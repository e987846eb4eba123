// The recipe as given and as resolved, lightly coloured: comments, tables, keys, strings.

function tomlLine(line) {
  if (/^\s*#/.test(line)) return el("span", { class: "comment" }, line);
  if (/^\s*\[/.test(line) && !line.includes("=")) return el("span", { class: "table" }, line);
  const assignment = /^(\s*(?:[\w.-]+|"[^"]*")\s*)(=)(.*)$/.exec(line);
  if (!assignment) return line;
  return [el("span", { class: "key" }, assignment[1]), assignment[2], tomlValue(assignment[3])];
}

function tomlValue(text) {
  return text.split(/("(?:[^"\\]|\\.)*"|'[^']*'|#.*$)/).map((part) => {
    if (part.startsWith("#")) return el("span", { class: "comment" }, part);
    return /^["']/.test(part) ? el("span", { class: "string" }, part) : part;
  });
}

function codeBlock(text, label) {
  const lines = text.replace(/\n$/, "").split("\n");
  return el("div", { class: "code" },
    copyButton(() => text),
    el("pre", { tabindex: 0, role: "region", "aria-label": label },
      el("code", null, lines.map((line, i) => [i > 0 && "\n", tomlLine(line)]))));
}

function recipeParts(recipe, suffix) {
  return [
    recipe.given && el("section", null, el("h3", null, `As given${suffix}`),
      codeBlock(recipe.given, "Recipe as given")),
    recipe.resolved && el("details", { class: "paper" },
      el("summary", null, `As resolved${suffix}: every value, defaults included`),
      codeBlock(recipe.resolved, "Recipe as resolved")),
  ];
}

function provenanceTables(runs) {
  const groups = runs.map((run) => run.report.provenance.groups);
  const titles = [...new Set(groups.flat().map((group) => group.title))];
  return titles.map((title) => {
    const lists = groups.map((list) => list.find((group) => group.title === title)?.rows || []);
    const rows = alignPairs(lists);
    if (runs.length > 1) {
      return el("section", null, el("h3", null, title), pairsTable(rows, runs, "Name", title));
    }
    return el("section", null, el("h3", null, title), el("div", { class: "scroll" },
      el("table", { class: "pairs" }, el("caption", { class: "hidden" }, title),
        el("tbody", null, rows.map(([name, [value]]) => el("tr", null,
          el("th", { scope: "row" }, visibleText(name)), el("td", null, visibleText(value))))))));
  });
}
