// Scatter plots. uPlot lays out the axes over the points' bounds; the points, and labels beside
// them while they are few, are drawn here.

const FEW_POINTS = 16;

function scatterPoints(block) {
  const styles = assignStyles(block.groups.map((group) => group.base ?? group.name),
    block.groups.map((group) => group.run ?? 0));
  const usable = (value, logarithmic) => isNumber(value) && !(logarithmic && value <= 0);
  let lost = 0;
  const points = [];
  block.groups.forEach((group, g) => {
    for (let i = 0; i < Math.min(group.x.length, group.y.length); ++i) {
      if (usable(group.x[i], block.log_x) && usable(group.y[i], block.log_y)) {
        points.push({ x: group.x[i], y: group.y[i], g, label: group.labels?.[i] || "" });
      } else {
        ++lost;
      }
    }
  });
  return { points, styles, lost };
}

function drawMarker(context, style, x, y, radius) {
  context.beginPath();
  if (style.dash === 0) context.arc(x, y, radius, 0, 2 * Math.PI);
  else if (style.dash === 1) context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
  else {
    context.moveTo(x, y - 1.3 * radius);
    context.lineTo(x + 1.2 * radius, y + radius);
    context.lineTo(x - 1.2 * radius, y + radius);
    context.closePath();
  }
  context.fill();
}

// Labels go right of their point, else left, above or below: the first place that is free.
function placeLabels(u, placed, density) {
  const font = `12px ${FONT_FAMILY}`;
  const boxes = placed.map(({ px, py }) => [px - 5, py - 5, px + 5, py + 5].map((v) => v));
  const { left, top, width, height } = u.bbox;
  const bounds = [left, top, left + width, top + height].map((value) => value / density);
  const free = (box) => box[0] >= bounds[0] && box[1] >= bounds[1] && box[2] <= bounds[2] &&
    box[3] <= bounds[3] &&
    boxes.every((b) => box[2] < b[0] || box[0] > b[2] || box[3] < b[1] || box[1] > b[3]);
  const labels = [];
  for (const { point, px, py } of placed) {
    if (!point.label) continue;
    const w = textWidth(visibleText(point.label), font);
    const starts = [[px + 9, py - 8], [px - 9 - w, py - 8], [px - w / 2, py - 24], [px - w / 2, py + 9]];
    const spot = starts.find(([x, y]) => free([x, y, x + w, y + 16]));
    if (!spot) continue;
    boxes.push([spot[0], spot[1], spot[0] + w, spot[1] + 16]);
    labels.push({ text: visibleText(point.label), x: spot[0], y: spot[1] + 12, font });
  }
  return labels;
}

function paintScatter(u, points, styles) {
  const density = uPlot.pxRatio;
  const visible = points.filter((point) => u.series[point.g + 1].show);
  const context = u.ctx;
  context.save();
  context.beginPath();
  context.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  context.clip();
  const radius = (points.length > 400 ? 2 : points.length > 60 ? 3 : 4.5) * density;
  const focused = u.series.findIndex((series, s) => s > 0 && series._focus);
  const placed = visible.map((point) => {
    const x = u.valToPos(point.x, "x", true);
    const y = u.valToPos(point.y, "y", true);
    context.globalAlpha = focused > 0 && focused !== point.g + 1 ? 0.15
      : points.length > 60 ? 0.55 : 0.95;
    context.fillStyle = cssColour(seriesVariable(styles[point.g]));
    drawMarker(context, styles[point.g], x, y, radius);
    return { point, px: x / density, py: y / density };
  });
  context.globalAlpha = 1;
  if (visible.length <= FEW_POINTS) {
    context.fillStyle = cssColour("--ink");
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    for (const label of placeLabels(u, placed, density)) {
      context.font = label.font.replace("12px", `${12 * density}px`);
      context.fillText(label.text, label.x * density, label.y * density);
    }
  }
  context.restore();
}

function scatterTip(u, block, points, styles) {
  const { left, top } = u.cursor;
  if (left < 0 || !u.over.matches(":hover")) return null;
  let best = null;
  let nearest = 24 ** 2;
  for (const point of points) {
    if (!u.series[point.g + 1].show) continue;
    const distance = (u.valToPos(point.x, "x") - left) ** 2 + (u.valToPos(point.y, "y") - top) ** 2;
    if (distance < nearest) [best, nearest] = [point, distance];
  }
  if (!best) return null;
  return {
    title: visibleText(best.label || block.groups[best.g].name),
    rows: [[styles[best.g], block.x_label || "x", formatNumber(best.x)],
      [null, block.y_label || "y", formatNumber(best.y)]],
  };
}

function padded(low, high) {
  return low === high ? [low - 0.5 * (Math.abs(low) || 1), high + 0.5 * (Math.abs(high) || 1)]
    : uPlot.rangeNum(low, high, 0.1, true);
}

function padLog(low, high) {
  const room = Math.max(0.06 * Math.log10(high / low), 0.08);
  return [low / 10 ** room, high * 10 ** room];
}

function drawScatter(node, block, points, styles) {
  const bounds = (values) => values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)],
    [Infinity, -Infinity]);
  const x = bounds(points.map((point) => point.x));
  const y = bounds(points.map((point) => point.y));
  const invisible = { width: 0, points: { show: false }, stroke: () => "transparent" };
  let tip = null;
  const plot = makePlot(node, [x, ...block.groups.map(() => y)], {
    xLabel: labelledScale(block.x_label, block.log_x), logX: block.log_x, logY: block.log_y,
    xRange: (u, low, high) => (low === x[0] && high === x[1]
      ? (block.log_x ? padLog : padded)(low, high) : [low, high]),
    yRange: () => (block.log_y ? padLog : padded)(y[0], y[1]),
    series: [{}, ...block.groups.map((group) => ({ ...invisible, label: group.name }))],
    cursor: { points: { show: false } },
    hooks: {
      draw: [(u) => paintScatter(u, points, styles)],
      setCursor: [(u) => tip && tip(scatterTip(u, block, points, styles), u.cursor.left, u.cursor.top)],
    },
  });
  tip = plotTip(plot.over);
  plot.over.addEventListener("mouseleave", () => tip(null));
  return plot;
}

function scatterFigure(block) {
  const { points, styles, lost } = scatterPoints(block);
  if (points.length === 0) return emptyFigure(block, "No finite points to plot.");
  let plot = null;
  const several = block.groups.length > 1;
  return plotFigure(block, {
    summary: `Scatter plot of ${block.y_label || "y"} against ${block.x_label || "x"}, ` +
      `${plural(points.length, "point")}` +
      (points.length <= FEW_POINTS ? ": " + points.map((p) => `${p.label} (${formatNumber(p.x, 3)}, ` +
        `${formatNumber(p.y, 3)})`).join("; ") : ""),
    yLabel: labelledScale(block.y_label, block.log_y),
    legend: several ? plotLegend(block.groups.map((group, g) =>
      ({ name: group.name, style: styles[g] })), () => plot) : null,
    notes: lost > 0 ? [`${plural(lost, "point")} without a place on these axes left out.`] : [],
    getData: () => ({
      header: ["group", "label", block.x_label || "x", block.y_label || "y"],
      rows: points.map((p) => [block.groups[p.g].name, p.label, p.x, p.y]),
    }),
    draw: (node) => {
      plot = drawScatter(node, block, points, styles);
    },
  });
}
