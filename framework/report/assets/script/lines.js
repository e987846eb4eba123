// Series and histograms: lines over one axis.

// One line's points: sorted, only finite x; y is null where there is a gap or no logarithm.
function cleanLine(line, { logX, logY }) {
  const lost = { count: 0 };
  const usable = (value, logarithmic) => {
    if (!isNumber(value)) return false;
    if (logarithmic && value <= 0) {
      ++lost.count;
      return false;
    }
    return true;
  };
  const points = [];
  const length = Math.min(line.x.length, line.y.length);
  for (let i = 0; i < length; ++i) {
    if (!usable(line.x[i], logX)) continue;
    points.push([line.x[i], usable(line.y[i], logY) ? line.y[i] : null]);
  }
  points.sort((a, b) => a[0] - b[0]);
  return { x: points.map((p) => p[0]), y: points.map((p) => p[1]), lost: lost.count };
}

function sameNumbers(a, b) {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

// uPlot's aligned form: one x for all lines; undefined (bridged) where a line has no point there.
function alignLines(lines) {
  if (lines.every((line) => sameNumbers(line.x, lines[0].x))) {
    return [lines[0].x, ...lines.map((line) => line.y)];
  }
  return uPlot.join(lines.map((line) => [line.x, line.y]));
}

// The nearest index within `reach` where the line has a value.
function nearestPoint(values, index, reach) {
  for (let step = 0; step <= reach; ++step) {
    if (isNumber(values[index - step])) return index - step;
    if (isNumber(values[index + step])) return index + step;
  }
  return null;
}

function lineSeries(line, style, stepped, filled) {
  const colour = () => cssColour(seriesVariable(style));
  return {
    label: line.name,
    stroke: colour,
    width: 1.75,
    dash: DASHES[style.dash].map((length) => length * uPlot.pxRatio),
    paths: stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
    fill: filled ? () => `color-mix(in srgb, ${colour()} 9%, transparent)` : undefined,
    points: { size: 5, fill: colour, show: (u, s, from, to) => !stepped && to - from < 10 },
  };
}

function lineRanges({ logX, logY, stepped }) {
  const exact = (low, high) => (low === high ? padLinear(low, high) : [low, high]);
  return {
    x: (low, high) => (logX && low === high ? padLog(low, high) : exact(low, high)),
    y: stepped ? (low, high) => [0, (high || 1) * 1.06]
      : (low, high) => (logY ? padLog(low, high) : padLinear(low, high, 0.06)),
  };
}

// spec: {xLabel, logX, logY, lines: [{name, x, y}], styles, stepped, syncKey, describe(x, index)}
function drawLines(node, spec) {
  const { lines, styles, stepped } = spec;
  const reach = stepped ? 0 : 50;
  const filled = stepped && lines.length <= 6;
  let tip = null;
  const follow = (u) => {
    const { left, top, idx } = u.cursor;
    const away = left < 0 || idx === null || idx === undefined || !u.over.matches(":hover");
    tip?.(away ? null : lineTip(u, spec, stepped ? stepAt(u, left) : idx), left, top);
  };
  const plot = makePlot(node, alignLines(lines), { ...spec, ranges: lineRanges(spec) }, {
    series: [{}, ...lines.map((line, i) => lineSeries(line, styles[i], stepped, filled))],
    cursor: { points: { show: !stepped, size: 7, width: 0 },
      dataIdx: (u, s, index) => nearestPoint(u.data[s], index, reach) ?? index },
    hooks: { setCursor: [follow] },
  });
  tip = plotTip(plot.over);
  plot.over.addEventListener("mouseleave", () => tip(null));
  return plot;
}

// A step holds to the right of its edge: the bin under the cursor, not the nearest edge.
function stepAt(u, left) {
  const x = u.posToVal(left, "x");
  let index = 0;
  while (index + 1 < u.data[0].length && u.data[0][index + 1] <= x) ++index;
  return index;
}

function lineTip(u, spec, index) {
  const rows = [];
  for (let s = 1; s < u.series.length; ++s) {
    if (!u.series[s].show) continue;
    const at = nearestPoint(u.data[s], index, spec.stepped ? 0 : 50);
    if (at !== null) rows.push({ s, value: u.data[s][at] });
  }
  rows.sort((a, b) => b.value - a.value);
  return {
    title: spec.describe(u.data[0][index], index),
    rows: rows.map(({ s, value }) =>
      [spec.styles[s - 1], spec.lines[s - 1].name, formatNumber(value)]),
  };
}

function rangeText(values) {
  const [low, high] = bounds(values.filter(isNumber));
  return low > high ? "no values" : `${formatNumber(low, 3)} to ${formatNumber(high, 3)}`;
}

function labelledScale(label, logarithmic) {
  return label && logarithmic ? `${label} (log scale)` : label;
}

function seriesFigure(block, context) {
  const log = { logX: block.log_x, logY: block.log_y };
  const cleaned = block.lines.map((line) => ({ ...line, ...cleanLine(line, log) }));
  const lines = cleaned.filter((line) => line.y.some((value) => value !== null));
  if (lines.length === 0) return emptyFigure(block, "No finite values to plot.");
  const lost = cleaned.reduce((sum, line) => sum + line.lost, 0);
  const empty = cleaned.filter((line) => !lines.includes(line))
    .map((line) => line.name || "an unnamed line");
  const styles = assignStyles(lines.map((line) => line.base ?? line.name),
    lines.map((line) => line.run ?? 0));
  const xLabel = labelledScale(block.x_label, block.log_x);
  let plot = null;
  return plotFigure(block, {
    summary: `Line plot of ${block.y_label || "values"} over ${block.x_label || "x"}: ` +
      lines.map((line) => `${line.name}, ${rangeText(line.y)}`).join("; "),
    yLabel: labelledScale(block.y_label, block.log_y),
    legend: plotLegend(lines.map((line, i) => ({ name: line.name, style: styles[i] })), () => plot),
    notes: [
      lost > 0 && `${plural(lost, "value")} at or below 0 cannot stand on a logarithmic axis.`,
      empty.length > 0 && `Without any finite value: ${empty.join(", ")}.`,
    ].filter(Boolean),
    getData: () => {
      const [x, ...columns] = alignLines(lines);
      return { header: [block.x_label || "x", ...lines.map((line) => line.name)],
        rows: x.map((value, i) => [value, ...columns.map((column) => column[i] ?? null)]) };
    },
    draw: (node) => {
      plot = drawLines(node, { xLabel, ...log, lines, styles,
        syncKey: `${context.section}/${block.x_label}`,
        describe: (x) => `${block.x_label || "x"} ${formatNumber(x, 6)}` });
    },
  });
}

// A histogram's part as a stepped line that starts and ends on the axis.
function stepLine(part, edges) {
  const start = edges[0] - 1e-9 * (edges[edges.length - 1] - edges[0]);
  return { ...part, x: [start, ...edges], y: [0, ...part.counts, 0] };
}

function histogramFigure(block) {
  const edgesOf = (part) => part.edges || block.edges;
  const parts = block.parts.filter((part) => edgesOf(part).length === part.counts.length + 1 &&
    part.counts.length > 0 && part.counts.every(isNumber));
  if (parts.length === 0) return emptyFigure(block, "No counts to plot.");
  const lines = parts.map((part) => stepLine(part, edgesOf(part)));
  const styles = assignStyles(parts.map((part) => part.base ?? part.name),
    parts.map((part) => part.run ?? 0));
  let plot = null;
  return plotFigure(block, {
    summary: `Histogram of ${block.x_label || "values"}: ` + parts.map((part) =>
      `${part.name}, ${formatNumber(part.counts.reduce((a, b) => a + b, 0))} in all`).join("; "),
    yLabel: block.y_label,
    legend: plotLegend(parts.map((part, i) => ({ name: part.name, style: styles[i] })), () => plot),
    getData: () => ({
      header: ["from", "to", "name", block.y_label || "count"],
      rows: parts.flatMap((part) => part.counts.map((count, i) =>
        [edgesOf(part)[i], edgesOf(part)[i + 1], part.name, count])),
    }),
    draw: (node) => {
      plot = drawLines(node, { xLabel: block.x_label, lines, styles, stepped: true,
        describe: (x, i) => {
          const next = alignLines(lines)[0][i + 1];
          return `${formatNumber(x, 3)} to ${formatNumber(next ?? x, 3)}`;
        } });
    },
  });
}
