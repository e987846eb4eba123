// Table blocks: sortable, the best of a column marked, long ones cut until asked for.

const PROSE = 48;  // characters from which on a cell may break
const SHORT_TABLE = 40;
const PAGE_TABLE = 20;  // more rows may be parted by a page's end

function cellText(value, format) {
  if (value === null || value === undefined) return DASH;
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? format(value) : visibleText(String(value));
}

function compareCells(a, b) {
  const missing = (value) => value === null || value === undefined;
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

class BlockTable {
  constructor(block) {
    this.block = block;
    this.sort = null;
    this.all = false;
    this.columns = block.columns.map((column, c) => {
      const values = block.rows.map((row) => row[c]);
      const numeric = values.some(isNumber) &&
        values.every((value) => value === null || typeof value === "number");
      const swatches = c === 0 && values.every((value) => namedColours.has(value));
      return { ...column, numeric, swatches, format: columnFormat(values),
        best: bestOf(values, column.better) };
    });
    this.node = el("div", { class: "block-table" });
    this.render();
  }

  sortBy(c) {
    const first = this.columns[c].numeric && this.columns[c].better !== "lower";
    if (!this.sort || this.sort.column !== c) this.sort = { column: c, descending: first };
    else if (this.sort.descending === first) this.sort.descending = !first;
    else this.sort = null;
    this.render(c);
  }

  orderedRows() {
    if (!this.sort) return this.block.rows;
    const { column, descending } = this.sort;
    return [...this.block.rows].sort((a, b) => {
      const [x, y] = [a[column], b[column]];
      const order = compareCells(x, y);
      return descending && x !== null && y !== null ? -order : order;
    });
  }

  header(column, c) {
    const sorted = this.sort && this.sort.column === c;
    const order = sorted ? (this.sort.descending ? "descending" : "ascending") : null;
    return el("th", { scope: "col", class: column.numeric ? "num" : null, "aria-sort": order },
      button([visibleText(column.name), column.unit && el("span", { class: "unit" }, column.unit),
        directionMark(column.better)],
      () => this.sortBy(c), { class: "sort", title: column.doc || null, "data-column": c }));
  }

  cell(value, column, c) {
    const isBest = column.best !== null && value === column.best;
    const isProse = typeof value === "string" && value.length >= PROSE;
    const classes = [column.numeric && "num", isBest && "best", isProse && "prose",
      (value === null || value === undefined) && "none"].filter(Boolean).join(" ");
    return el(c === 0 && !column.numeric ? "th" : "td",
      { class: classes || null, scope: c === 0 && !column.numeric ? "row" : null,
        title: typeof value === "number" ? fullNumber(value) : null },
      column.swatches && swatch(assignStyles([value], [this.block.run ?? 0])[0]),
      cellText(value, column.format), isBest && el("span", { class: "hidden" }, " (best)"));
  }

  render(focusColumn) {
    const rows = this.orderedRows();
    const shown = this.all ? rows : rows.slice(0, SHORT_TABLE);
    const table = el("table", { class: shown.length > PAGE_TABLE ? "block long" : "block" },
      el("caption", { class: "hidden" }, this.block.title || "Table"),
      el("thead", null, el("tr", null, this.columns.map((column, c) => this.header(column, c)))),
      el("tbody", null, shown.map((row) => el("tr", null,
        this.columns.map((column, c) => this.cell(row[c], column, c))))));
    this.node.replaceChildren(
      el("div", { class: "scroll", tabindex: 0, role: "region",
        "aria-label": this.block.title || "Table" }, table),
      shown.length < rows.length
        ? el("p", { class: "note" }, `${shown.length} of ${plural(rows.length, "row")}. `,
          button("Show all", () => {
            this.all = true;
            this.render();
          }, { class: "quiet" })) : "");
    if (focusColumn !== undefined) {
      this.node.querySelector(`button[data-column="${focusColumn}"]`).focus();
    }
  }
}

// The numbers behind a plot: made when opened, thinned when very long, whole when copied.
const LONG_DATA = 1000;

function dataTable(getData) {
  return lazyDetails("Data", () => {
    const { header, rows } = getData();
    const step = Math.max(1, Math.ceil(rows.length / LONG_DATA));
    const text = () => [header, ...rows].map((row) => row.map((value) =>
      isNumber(value) ? fullNumber(value) : value ?? "").join("\t")).join("\n");
    const shown = rows.filter((row, r) => r % step === 0);
    const formats = header.map((name, c) => columnFormat(rows.map((row) => row[c])));
    const cells = shown.map((row) => el("tr", null, row.map((value, c) =>
      el("td", { class: typeof value === "string" ? null : "num",
        title: isNumber(value) ? fullNumber(value) : null }, cellText(value, formats[c])))));
    return [
      el("p", { class: "table-help" }, copyButton(text, "Copy as tab-separated values"),
        step > 1 &&
          ` Every ${step}th of ${plural(rows.length, "row")} is shown; the copy has all.`),
      el("div", { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Data" },
        el("table", { class: "block" },
          el("thead", null, el("tr", null,
            header.map((name, c) => el("th", { scope: "col",
              class: typeof rows[0]?.[c] === "string" ? null : "num" }, visibleText(name))))),
          el("tbody", null, cells))),
    ];
  });
}
