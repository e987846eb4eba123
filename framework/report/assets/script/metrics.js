// Metrics side by side: one line a metric and one column a subject (an SAE, or an SAE of one run),
// or the other way round where there are many subjects, more than metrics.

const MANY_SUBJECTS = 7;

// entries: [{metric, run, section}] -> {subjects, rows}; nothing is dropped: a key that comes twice
// for a subject gets a second row.
function collectMetrics(entries) {
  const subjects = new Map();
  const rows = new Map();
  for (const { metric, run, section } of entries) {
    const name = metric.subject || "";
    const subject = `${run}\n${name}`;
    if (!subjects.has(subject)) subjects.set(subject, { key: subject, name, run });
    let id = `${section.id}\n${metric.key}`;
    while (rows.has(id) && rows.get(id).cells.has(subject)) id += "'";
    if (!rows.has(id)) rows.set(id, { ...metric, id, section, cells: new Map() });
    rows.get(id).cells.set(subject, metric);
  }
  const names = [...new Set([...subjects.values()].map((subject) => subject.name))];
  const ordered = [...subjects.values()].sort(
    (a, b) => names.indexOf(a.name) - names.indexOf(b.name) || a.run - b.run,
  );
  return { subjects: ordered, rows: [...rows.values()] };
}

function isDirected({ better }) {
  return better === "lower" || better === "higher";
}

function directionMark(better) {
  if (!isDirected({ better })) return null;
  const text = `${better} is better`;
  return ["\u00a0", el("span", { class: "direction", role: "img", "aria-label": text },
    better === "lower" ? "\u2193" : "\u2191")];
}

// The best of several numbers, or null where there is no direction or nothing to choose.
function bestOf(values, better) {
  const numbers = values.filter(isNumber);
  if (numbers.length < 2 || !isDirected({ better })) return null;
  const low = Math.min(...numbers);
  const high = Math.max(...numbers);
  if (low === high) return null;
  return better === "lower" ? low : high;
}

// Why values are missing, as lettered footnotes under a table.
class Footnotes {
  constructor() {
    this.reasons = [];
  }
  mark(reason) {
    if (!this.reasons.includes(reason)) this.reasons.push(reason);
    return Footnotes.letter(this.reasons.indexOf(reason));
  }
  static letter(index) {
    const last = String.fromCharCode(97 + (index % 26));
    return index < 26 ? last : Footnotes.letter(Math.floor(index / 26) - 1) + last;
  }
  list() {
    if (this.reasons.length === 0) return null;
    return el("ol", { class: "footnotes" }, this.reasons.map((reason, i) =>
      el("li", null, el("sup", null, Footnotes.letter(i)), reason)));
  }
}

function valueCell(metric, format, best, notes) {
  if (metric && isNumber(metric.value)) {
    const isBest = best !== null && metric.value === best;
    return el("td", { class: isBest ? "num best" : "num", title: fullNumber(metric.value) },
      format(metric.value), isBest && el("span", { class: "hidden" }, " (best)"));
  }
  if (!metric) {
    return el("td", { class: "num none", title: "not measured" }, el("span", { class: "hidden" },
      "not measured"));
  }
  const reason = metric.undefined || "undefined";
  return el("td", { class: "num none", title: reason }, DASH, el("sup", null, notes.mark(reason)));
}

class MetricTable {
  constructor(model, runs, caption, heading) {
    this.model = model;
    this.runs = runs;
    this.caption = caption;
    this.heading = heading;
    this.bySubject = model.subjects.length >= Math.max(MANY_SUBJECTS, model.rows.length);
    this.sort = null;
    this.node = el("div", { class: "metric-table" });
    this.render();
  }

  // original order -> best (or largest) first -> the reverse -> original order
  sortBy(row) {
    const descending = row.better !== "lower";
    if (!this.sort || this.sort.row !== row) this.sort = { row, descending };
    else if (this.sort.descending === descending) this.sort = { row, descending: !descending };
    else this.sort = null;
    this.render(row.id);
  }

  orderedSubjects() {
    if (!this.sort) return this.model.subjects;
    const { row, descending } = this.sort;
    const value = (subject) => {
      const metric = row.cells.get(subject.key);
      return metric && isNumber(metric.value) ? metric.value : null;
    };
    return [...this.model.subjects].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return descending ? y - x : x - y;
    });
  }

  subjectLabel(subject) {
    const run = this.runs.length > 1 && this.runs[subject.run].label;
    if (!subject.name) return run || this.heading;
    const mark = namedColours.has(subject.name) &&
      swatch(assignStyles([subject.name], [subject.run])[0]);
    return [mark, el("span", { class: "subject" }, subject.name),
      run && el("span", { class: "run-label" }, run)];
  }

  metricHeader(row, attributes) {
    const sorted = this.sort && this.sort.row === row;
    const order = sorted ? (this.sort.descending ? "descending" : "ascending") : null;
    const about = [row.definition, row.range && `range ${row.range}`,
      isDirected(row) && `${row.better} is better`].filter(Boolean).join("; ");
    return el("th", { ...attributes, "aria-sort": order },
      button([prettyKey(row.key), row.unit && el("span", { class: "unit" }, row.unit),
        directionMark(row.better)],
      () => this.sortBy(row),
      { class: "sort", title: about, "data-row": row.id }));
  }

  formats() {
    return new Map(this.model.rows.map((row) => {
      const values = [...row.cells.values()].map((metric) => metric.value);
      return [row, { format: columnFormat(values), best: bestOf(values, row.better) }];
    }));
  }

  sections() {
    const groups = new Map();
    for (const row of this.model.rows) {
      if (!groups.has(row.section)) groups.set(row.section, []);
      groups.get(row.section).push(row);
    }
    return groups;
  }

  groupTitle(section) {
    return section.anchor
      ? el("a", { href: `#${section.anchor}` }, section.title) : section.title;
  }

  metricsAsRows(subjects, formats, notes) {
    const groups = this.sections();
    const head = el("thead", null, el("tr", null, el("th", { scope: "col" }, "Metric"),
      subjects.map((subject) => el("th", { scope: "col", class: "num" },
        this.subjectLabel(subject)))));
    const bodies = [...groups].map(([section, rows]) => el("tbody", null,
      groups.size > 1 && el("tr", { class: "group" }, el("th",
        { colspan: subjects.length + 1, scope: "rowgroup" }, this.groupTitle(section))),
      rows.map((row) => el("tr", null, this.metricHeader(row, { scope: "row" }),
        subjects.map((subject) => valueCell(row.cells.get(subject.key), formats.get(row).format,
          formats.get(row).best, notes))))));
    return el("table", { class: subjects.length > 3 ? "metrics full" : "metrics" },
      el("caption", { class: "hidden" }, this.caption),
      head, bodies);
  }

  subjectsAsRows(subjects, formats, notes) {
    const groups = this.sections();
    const rows = [...groups.values()].flat();
    const head = el("thead", null,
      groups.size > 1 && el("tr", { class: "group" }, el("td"), [...groups].map(([section, some]) =>
        el("th", { colspan: some.length, scope: "colgroup" }, this.groupTitle(section)))),
      el("tr", null, el("th", { scope: "col" }, this.heading),
        rows.map((row) => this.metricHeader(row, { scope: "col", class: "num" }))));
    const body = el("tbody", null, subjects.map((subject) => el("tr", null,
      el("th", { scope: "row" }, this.subjectLabel(subject)),
      rows.map((row) => valueCell(row.cells.get(subject.key), formats.get(row).format,
        formats.get(row).best, notes)))));
    return el("table", { class: "metrics wide" }, el("caption", { class: "hidden" }, this.caption),
      head, body);
  }

  render(focusRow) {
    const notes = new Footnotes();
    const make = this.bySubject ? this.subjectsAsRows : this.metricsAsRows;
    const table = make.call(this, this.orderedSubjects(), this.formats(), notes);
    const help = this.model.subjects.length > 1 && el("p", { class: "table-help" },
      table.querySelector(".best") && [el("span", { class: "best-key" }, "Best"),
        ` of its ${this.bySubject ? "column" : "row"}. `],
      "Choose a metric to sort. ",
      button("Swap rows and columns", () => {
        this.bySubject = !this.bySubject;
        this.render();
      }, { class: "quiet" }));
    this.node.replaceChildren(
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": this.caption },
        table),
      notes.list() || "",
      help || "");
    const again = focusRow && [...this.node.querySelectorAll("button.sort")].find(
      (node) => node.dataset.row === focusRow);
    if (again) again.focus();
  }
}

// Every definition once, at the end of the page.
function glossary(entries) {
  const terms = new Map();
  for (const { metric, section } of entries) {
    const id = `${metric.key}\n${metric.definition || ""}`;
    if (!terms.has(id)) terms.set(id, { metric, sections: new Set() });
    terms.get(id).sections.add(section.title);
  }
  const sorted = [...terms.values()].sort((a, b) => a.metric.key.localeCompare(b.metric.key));
  return el("dl", { class: "glossary" }, sorted.map(({ metric, sections }) => {
    const facts = [
      metric.unit && `in ${metric.unit}`,
      metric.range && `range ${metric.range}`,
      isDirected(metric) && `${metric.better} is better`,
      `from ${[...sections].join(", ")}`,
    ].filter(Boolean);
    return el("div", null,
      el("dt", null, prettyKey(metric.key), el("code", null, metric.key)),
      el("dd", null, metric.definition && el("span", { class: "definition" }, metric.definition),
        el("span", { class: "facts" }, facts.join("; "))));
  }));
}
