// From one report or several to what the page shows. Sections and blocks of several runs meet where
// kind and title agree: curves, histograms and points are overlaid; the rest stands run by run.

const OVERLAID = { series: "lines", histogram: "parts", scatter: "groups" };

function runLabels(reports) {
  const names = reports.map((report) => report.run.name || "run");
  if (new Set(names).size === names.length) return names;
  const ids = reports.map((report) => (report.run.id || "").replace(/^.*-/, "").slice(0, 8));
  const labels = names.map((name, i) => (ids[i] ? `${name}-${ids[i]}` : name));
  if (new Set(labels).size === labels.length) return labels;
  return names.map((name, i) => `${name} (${i + 1})`);
}

// Groups what several runs have under the same key; the n-th of a key in one run meets the n-th in
// the others.
function matchUp(lists, keyOf) {
  const groups = new Map();
  lists.forEach((list, run) => {
    const seen = new Map();
    for (const item of list) {
      const key = keyOf(item);
      const nth = seen.get(key) || 0;
      seen.set(key, nth + 1);
      const id = `${key}\n${nth}`;
      if (!groups.has(id)) groups.set(id, []);
      groups.get(id).push({ item, run });
    }
  });
  return [...groups.values()];
}

function joinNotes(found, runs) {
  const noted = found.filter(({ item }) => item.note);
  const distinct = [...new Set(noted.map(({ item }) => item.note))];
  if (distinct.length === 1 && noted.length === runs.length) return distinct[0];
  return noted.map(({ item, run }) => `${runs[run].label}: ${item.note}`).join(" ");
}

function overlay(found, runs) {
  const [{ item: first }] = found;
  const field = OVERLAID[first.type];
  const parts = found.flatMap(({ item, run }) => item[field].map((part) => ({
    ...part, base: part.name, run, edges: item.edges,
    name: part.name ? `${part.name} \u00b7 ${runs[run].label}` : runs[run].label,
  })));
  const bases = [...new Set(parts.map((part) => part.base))];
  parts.sort((a, b) => bases.indexOf(a.base) - bases.indexOf(b.base) || a.run - b.run);
  return { ...first, [field]: parts, note: joinNotes(found, runs) };
}

function mergeBlocks(lists, runs) {
  const keyOf = (block) => [block.type, block.title, block.x_label, block.y_label].join("\n");
  return matchUp(lists, keyOf).flatMap((found) => (OVERLAID[found[0].item.type]
    ? [overlay(found, runs)]
    : found.map(({ item, run }) => ({ ...item, run, runLabel: runs[run].label }))));
}

function mergeSections(runs) {
  const lists = runs.map((run) => run.report.sections);
  return matchUp(lists, (section) => `${section.kind}\n${section.title}`).map((found) => {
    const blocks = runs.map((run, r) => found.find((one) => one.run === r)?.item.blocks || []);
    return { ...found[0].item, blocks: mergeBlocks(blocks, runs),
      metrics: found.flatMap(({ item, run }) => item.metrics.map((metric) => ({ metric, run }))) };
  });
}

function buildView(reports) {
  const labels = runLabels(reports);
  const runs = reports.map((report, index) => ({ report, index, label: labels[index] }));
  const sections = runs.length > 1 ? mergeSections(runs)
    : reports[0].sections.map((section) => ({ ...section,
      metrics: section.metrics.map((metric) => ({ metric, run: 0 })) }));
  for (const section of sections) {
    section.title = section.title || section.node || section.kind || "Results";
    section.metrics = section.metrics.map((entry) => ({ ...entry, section }));
    section.anchor = section.blocks.length > 0 || !inOverview(section)
      ? uniqueId(section.title) : null;
  }
  return { runs, sections };
}

// SAEs meet in one table: the metrics of every section that speak of a subject, but for those of
// comparators, whose subjects are rewards.
function inOverview(section) {
  return section.kind !== "compare" && section.metrics.length > 0 &&
    section.metrics.every(({ metric }) => metric.subject);
}

// Rows of [name, value of each run]; `null` where a run lacks it.
function alignPairs(lists) {
  const names = [...new Set(lists.flat().map(([name]) => name))];
  const maps = lists.map((list) => new Map(list));
  return names.map((name) => [name, maps.map((map) => map.get(name) ?? null)]);
}

function pairsTable(rows, runs, heading, caption, shown = visibleText) {
  const differs = (values) => new Set(values).size > 1;
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el("table", { class: "pairs" }, el("caption", { class: "hidden" }, caption),
      el("thead", null, el("tr", null, el("th", { scope: "col" }, heading),
        runs.map((run) => el("th", { scope: "col" }, run.label)))),
      el("tbody", null, rows.map(([name, values]) => el("tr",
        { class: differs(values) ? "differs" : null },
        el("th", { scope: "row" }, visibleText(name)),
        values.map((value) => (value === null ? el("td", { class: "none", title: "absent" }, DASH)
          : el("td", null, shown(value)))))))));
}

function recipeDifferences(runs) {
  const lists = runs.map((run) => run.report.recipe.values);
  if (lists.some((list) => list.length === 0)) {
    return el("p", { class: "empty" }, "A run has no resolved values to compare.");
  }
  const rows = alignPairs(lists).filter(([, values]) => new Set(values).size > 1);
  if (rows.length === 0) return el("p", null, "The resolved recipes are equal.");
  return pairsTable(rows, runs, "Key", "Recipe differences");
}
