// Scatter plots. uPlot lays out the axes over the points' bounds; the points, and labels beside
// them while they are few, are drawn here.

const FEW_POINTS = 16;

// A point that is labelled with an SAE's name has that SAE's colour, else its group's.
function scatterPoints(block) {
  const styles = assignStyles(block.groups.map((group) => group.base ?? group.name),
    block.groups.map((group) => group.run ?? 0));
  const usable = (value, logarithmic) => isNumber(value) && !(logarithmic && value <= 0);
  let lost = 0;
  const points = [];
  block.groups.forEach((group, g) => {
    for (let i = 0; i < Math.min(group.x.length, group.y.length); ++i) {
      if (usable(group.x[i], block.log_x) && usable(group.y[i], block.log_y)) {
        const label = group.labels?.[i] || "";
        const own = namedColours.has(label) && assignStyles([label], [group.run ?? 0])[0];
        points.push({ x: group.x[i], y: group.y[i], g, label, style: own || styles[g] });
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
  const boxes = placed.map(({ px, py }) => [px - 5, py - 5, px + 5, py + 5]);
  const { left, top, width, height } = u.bbox;
  const frame = [left, top, left + width, top + height].map((value) => value / density);
  const free = (box) => box[0] >= frame[0] && box[1] >= frame[1] && box[2] <= frame[2] &&
    box[3] <= frame[3] &&
    boxes.every((b) => box[2] < b[0] || box[0] > b[2] || box[3] < b[1] || box[1] > b[3]);
  const labels = [];
  for (const { point, px, py } of placed) {
    if (!point.label) continue;
    const w = textWidth(visibleText(point.label), font);
    const starts = [[px + 9, py - 8], [px - 9 - w, py - 8], [px - w / 2, py - 24],
      [px - w / 2, py + 9]];
    const spot = starts.find(([x, y]) => free([x, y, x + w, y + 16]));
    if (!spot) continue;
    boxes.push([spot[0], spot[1], spot[0] + w, spot[1] + 16]);
    labels.push({ text: visibleText(point.label), x: spot[0], y: spot[1] + 12, font });
  }
  return labels;
}

function paintScatter(u, points) {
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
    context.fillStyle = cssColour(seriesVariable(point.style));
    drawMarker(context, point.style, x, y, radius);
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

function scatterTip(u, block, points) {
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
    rows: [[best.style, block.x_label || "x", formatNumber(best.x)],
      [null, block.y_label || "y", formatNumber(best.y)]],
  };
}

function scatterRanges(block, x, y) {
  const pad = (logarithmic, low, high) => (logarithmic ? padLog(low, high)
    : padLinear(low, high, 0.1));
  return {
    x: (low, high) => (low === x[0] && high === x[1] ? pad(block.log_x, low, high) : [low, high]),
    y: () => pad(block.log_y, y[0], y[1]),
  };
}

function drawScatter(node, block, points) {
  const x = bounds(points.map((point) => point.x));
  const y = bounds(points.map((point) => point.y));
  const invisible = { width: 0, points: { show: false }, stroke: () => "transparent" };
  let tip = null;
  const spec = { xLabel: labelledScale(block.x_label, block.log_x), logX: block.log_x,
    logY: block.log_y, ranges: scatterRanges(block, x, y) };
  const plot = makePlot(node, [x, ...block.groups.map(() => y)], spec, {
    series: [{}, ...block.groups.map((group) => ({ ...invisible, label: group.name }))],
    cursor: { points: { show: false } },
    hooks: {
      draw: [(u) => paintScatter(u, points)],
      setCursor: [(u) => tip?.(scatterTip(u, block, points), u.cursor.left, u.cursor.top)],
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
  // Few points that bear their own names and colours need no legend.
  const few = points.length <= FEW_POINTS;
  const selfExplaining = few && points.every((p) => namedColours.has(p.label));
  const listed = few && points.map((p) =>
    `${p.label} (${formatNumber(p.x, 3)}, ${formatNumber(p.y, 3)})`).join("; ");
  return plotFigure(block, {
    summary: `Scatter plot of ${block.y_label || "y"} against ${block.x_label || "x"}, ` +
      plural(points.length, "point") + (few ? `: ${listed}` : ""),
    yLabel: labelledScale(block.y_label, block.log_y),
    legend: block.groups.length > 1 && !selfExplaining ? plotLegend(block.groups.map((group, g) =>
      ({ name: group.name, style: styles[g] })), () => plot) : null,
    notes: lost > 0 ? [`${plural(lost, "point")} without a place on these axes left out.`] : [],
    getData: () => ({
      header: ["group", "label", block.x_label || "x", block.y_label || "y"],
      rows: points.map((p) => [block.groups[p.g].name, p.label, p.x, p.y]),
    }),
    draw: (node) => {
      plot = drawScatter(node, block, points);
    },
  });
}
