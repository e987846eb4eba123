// The recipe as given and as resolved, lightly coloured: comments, tables, keys, strings.

const TOML_HEADER = /^(\s*\[{1,2}(?:[\w.\s-]|"[^"]*"|'[^']*')+\]{1,2})(\s*)(#.*)?$/;
const TOML_ASSIGNMENT = /^(\s*(?:[\w.-]|"[^"]*"|'[^']*')+\s*)(=)(.*)$/;

function tomlLine(line) {
  if (/^\s*#/.test(line)) return el("span", { class: "comment" }, line);
  const header = TOML_HEADER.exec(line);
  if (header) {
    return [el("span", { class: "table" }, header[1]), header[2],
      header[3] && el("span", { class: "comment" }, header[3])];
  }
  const assignment = TOML_ASSIGNMENT.exec(line);
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

// What the given file does not show: the files below it and what the command line laid over it.
function recipeLayers({ extends: files, overrides }) {
  const listed = (values) => (Array.isArray(values) ? values : []);
  const line = (...content) => el("p", { class: "layer" }, ...content);
  return [
    listed(files).map((file) => line("extends ", el("code", null, visibleText(file)),
      ", which is not shown; what ran is under \u201cAs resolved\u201d")),
    listed(overrides).map((text) => line("changed on the command line: ",
      el("code", null, `--set ${visibleText(text)}`))),
  ];
}

function recipeParts(recipe, suffix) {
  return [
    recipe.given && el("section", null, el("h3", null, `As given${suffix}`),
      recipeLayers(recipe), codeBlock(recipe.given, "Recipe as given")),
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
