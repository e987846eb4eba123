// The page: header, side by side, the sections, recipe, provenance, glossary; then the plots.

// A document may lack anything but its format; the page then lacks it too.
function normalised(report) {
  const list = (value) => (Array.isArray(value) ? value : []);
  const sections = list(report.sections).map((section) => ({ ...section,
    metrics: list(section.metrics), blocks: list(section.blocks) }));
  const figures = list(report.figures);
  return {
    run: report.run || {},
    headline: list(report.headline),
    figures: figures.length > 0 ? figures : derivedFigures(sections),
    notes: list(report.notes),
    sections,
    recipe: { ...report.recipe, values: list(report.recipe?.values) },
    provenance: { groups: list(report.provenance?.groups) },
  };
}

function runFacts(run) {
  const finished = /^(complete|completed|done)$/.test(run.status || "complete");
  return [
    run.id && el("span", { class: "id" }, run.id),
    run.status && el("span", { class: finished ? null : "status" }, run.status),
    run.started && el("time", { datetime: run.started, title: run.started },
      `started ${formatTime(run.started)}`),
    isNumber(run.seconds) && el("span", { title: `${fullNumber(run.seconds)} s` },
      `took ${formatSeconds(run.seconds)}`),
    run.saffron_version && el("span", null, `Saffron ${run.saffron_version}`),
  ].filter(Boolean);
}

// No figure without what it was bought with: the L0 of its SAE, and F1 where the section has it.
// A section that has no L0 borrows that of another.
const COMPANIONS = ["f1", "l0"];
function companions(best, section, scores) {
  const value = (key) => [section, ...scores].flatMap((one) =>
    (key === "l0" || one === section ? one.metrics : [])).find((metric) =>
    metric.key === key && metric.subject === best.subject && isNumber(metric.value))?.value;
  return COMPANIONS.filter((key) => key !== best.key && isNumber(value(key)))
    .map((key) => `${prettyKey(key)} ${formatNumber(value(key), 3)}`);
}

// Where a document names no key figures: how many SAEs, and the best of each scorer's first metric
// that has a direction.
function derivedFigures(sections) {
  const scores = sections.filter((section) => section.kind === "score");
  const subjects = new Set(scores.flatMap((section) =>
    section.metrics.map((metric) => metric.subject).filter(Boolean)));
  if (subjects.size === 0) return [];
  const figures = scores.map((section) => {
    const key = section.metrics.find(isDirected)?.key;
    const values = section.metrics.filter((metric) => metric.key === key && isNumber(metric.value));
    if (values.length === 0) return null;
    const best = values.reduce((a, b) => ((b.value < a.value) === (a.better === "lower") ? b : a));
    const several = subjects.size > 1;
    return { label: several ? `best ${prettyKey(key)}` : prettyKey(key), value: best.value,
      unit: best.unit,
      note: [best.subject, ...companions(best, section, scores)].filter(Boolean).join(", ") };
  });
  const count = { label: subjects.size === 1 ? "SAE" : "SAEs", value: subjects.size };
  return [count, ...figures.filter(Boolean).slice(0, 4)];
}

function keyFigures(figures) {
  if (figures.length === 0) return null;
  return el("dl", { class: "key-figures" }, figures.map((figure) => el("div", null,
    el("dt", null, figure.label),
    el("dd", { title: isNumber(figure.value) ? fullNumber(figure.value) : null },
      cellText(figure.value, formatNumber),
      figure.unit && el("span", { class: "unit" }, figure.unit),
      figure.note && el("span", { class: "figure-note" }, figure.note)))));
}

function notesList(runs) {
  const notes = new Map();
  for (const run of runs) {
    for (const note of run.report.notes) notes.set(note, [...(notes.get(note) || []), run.label]);
  }
  if (notes.size === 0) return null;
  return el("aside", { class: "notes", "aria-label": "Notes" }, [...notes].map(([note, labels]) =>
    el("p", null, labels.length < runs.length && el("span", { class: "run-label" },
      labels.join(", ")), visibleText(note))));
}

function singleHeader({ runs }) {
  const { run, headline, figures } = runs[0].report;
  return el("header", { class: "page-header" },
    el("p", { class: "eyebrow" }, "Saffron report"),
    el("h1", null, run.name || "Run"),
    el("p", { class: "facts" }, runFacts(run)),
    headline.length > 0 && el("p", { class: "headline" }, visibleText(headline.join(" "))),
    keyFigures(figures),
    notesList(runs));
}

function comparisonHeader({ runs }) {
  const figures = runs.map(({ report }) => report.figures.map((figure) =>
    [figure.label, [`${cellText(figure.value, formatNumber)} ${figure.unit || ""}`.trim(),
      figure.note].filter(Boolean).join("\n")]));
  const shown = (text) => {
    const [value, ...notes] = text.split("\n");
    return [visibleText(value),
      notes.map((note) => el("span", { class: "figure-note" }, visibleText(note)))];
  };
  return el("header", { class: "page-header" },
    el("p", { class: "eyebrow" }, "Saffron comparison"),
    el("h1", null, runs.length === 2 ? runs.map((run) => run.label).join(" and ")
      : plural(runs.length, "run")),
    el("div", { class: "runs" }, runs.map((run) => el("section", null,
      el("h2", null, run.label),
      el("p", { class: "facts" }, runFacts(run.report.run)),
      el("p", null, visibleText(run.report.headline.join(" ")))))),
    notesList(runs),
    figures.flat().length > 0 &&
      pairsTable(alignPairs(figures), runs, "Key figure", "Key figures", shown));
}

const FIGURES = {
  series: seriesFigure,
  histogram: histogramFigure,
  scatter: scatterFigure,
  matrix: matrixFigure,
  contexts: contextsFigure,
  table: (block) => el("figure", { class: "figure table" }, figureCaption(block),
    new BlockTable(block).node),
  text: (block) => el("section", { class: "figure text" }, figureCaption(block),
    paragraphs(visibleTextBlock(block.text))),
};
const HALF_WIDTH = new Set(["series", "histogram", "scatter"]);

// Paragraph and line breaks are kept; other control characters are made visible.
function visibleTextBlock(text) {
  return text.split("\n").map(visibleText).join("\n");
}

function blockNode(block, context) {
  block.anchor = block.title && uniqueId(block.title);
  try {
    if (!FIGURES[block.type]) return emptyFigure(block, `Unknown block type '${block.type}'.`);
    return FIGURES[block.type](block, context);
  } catch (error) {
    console.error(error);
    return emptyFigure(block, `This block could not be shown: ${error.message}`);
  }
}

// Plots that follow each other share lines, two by two; everything else has a line of its own.
function blockNodes(blocks, context) {
  const nodes = [];
  let row = null;
  for (const block of blocks) {
    const node = blockNode(block, context);
    if (!HALF_WIDTH.has(block.type)) {
      row = null;
      nodes.push(node);
      continue;
    }
    if (row === null) nodes.push(row = el("div", { class: "plot-grid" }));
    row.append(node);
  }
  return nodes;
}

const FOLDED_SUBJECTS = 40;

// Hundreds of numbers come after what shows them, folded.
function metricsNode(section, view) {
  if (section.metrics.length === 0 || inOverview(section)) return null;
  const subjects = new Set(section.metrics.map(({ metric }) => metric.subject));
  const named = section.kind === "compare" && [...subjects].some(Boolean);
  const table = () => new MetricTable(collectMetrics(section.metrics), view.runs,
    `Metrics of ${section.title}`, named ? "Of" : "Value").node;
  return subjects.size <= FOLDED_SUBJECTS ? table()
    : lazyDetails(`All numbers, of ${subjects.size}`, () => [table()]);
}

function sectionNode(section, view) {
  const metrics = metricsNode(section, view);
  const folded = metrics && metrics.tagName === "DETAILS";
  return el("section", { class: "part", "aria-labelledby": section.anchor },
    el("h2", { id: section.anchor }, section.title,
      section.node && el("span", { class: "node" }, section.node)),
    section.metrics.length > 0 && inOverview(section) && el("p", { class: "see" },
      `${plural(new Set(section.metrics.map(({ metric }) => metric.key)).size, "metric")} in `,
      el("a", { href: "#side-by-side" }, "Side by side"), "."),
    !folded && metrics,
    blockNodes(section.blocks, { section: section.anchor }),
    folded && metrics);
}

function pageSections(view) {
  const overview = view.sections.filter(inOverview).flatMap((section) => section.metrics);
  const all = view.sections.flatMap((section) => section.metrics);
  const several = view.runs.length > 1;
  const part = (id, title, ...content) => el("section", { class: "part", "aria-labelledby": id },
    el("h2", { id }, title), content);
  const recipes = view.runs.some(({ report }) => report.recipe.given || report.recipe.resolved);
  const commands = view.runs.filter(({ report }) => report.run.command);
  return [
    overview.length > 0 && part("side-by-side", "Side by side",
      new MetricTable(collectMetrics(overview), view.runs, "SAEs side by side", "SAE").node),
    several && part("recipe-differences", "Recipe differences", recipeDifferences(view.runs)),
    view.sections.filter((section) => section.anchor).map((section) => sectionNode(section, view)),
    (recipes || commands.length > 0) && part("recipe", several ? "Recipes" : "Recipe",
      commands.map(({ report, label }) => el("p", { class: "command" },
        several && el("span", { class: "run-label" }, label), el("code", null, report.run.command),
        copyButton(() => report.run.command))),
      view.runs.map(({ report, label }) =>
        recipeParts(report.recipe, several ? `, ${label}` : ""))),
    view.runs.some(({ report }) => report.provenance.groups.length > 0) &&
      part("provenance", "Provenance", provenanceTables(view.runs)),
    all.length > 0 && part("glossary", "Glossary of metrics", glossary(all)),
  ].flat().filter(Boolean);
}

function renderPage(reports) {
  for (const id of ["side-by-side", "recipe-differences", "recipe", "provenance", "glossary"]) {
    usedIds.add(id);
  }
  const view = buildView(reports.map(normalised));
  for (const section of view.sections) {
    if (inOverview(section)) section.metrics.forEach(({ metric }) => registerName(metric.subject));
  }
  const parts = pageSections(view);
  const page = document.getElementById("page");
  page.append(contentsNav(parts),
    el("main", null, view.runs.length > 1 ? comparisonHeader(view) : singleHeader(view), parts,
      el("footer", null, "Drag across a plot to zoom, double-click to see all of it again. " +
        "Numbers are rounded; hover over one for its full value.")));
  watchSections(parts);
  setUpPrinting();
  drawPlots();
}

renderPage(JSON.parse(document.getElementById("reports").textContent));
