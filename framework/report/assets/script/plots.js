// What all plots share: the frame around them, the queue that draws them, axes, resizing, printing.
// uPlot draws on canvases at DENSITY pixels a CSS pixel, so that print is sharp too.

const PLOT_HEIGHT = 280;
const FONT_FAMILY = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
const TICK_FONT = `11.5px ${FONT_FAMILY}`;
const FRAME_BUDGET_MS = 12;

// "drawn/total" of all plots stands in the page's data-plots once the queue has run dry.
const plotState = { total: 0, drawn: 0, queue: [], live: [] };

function reportPlots() {
  if (plotState.queue.length > 0) return;
  document.documentElement.dataset.plots = `${plotState.drawn}/${plotState.total}`;
}

function plotDrawn() {
  ++plotState.drawn;
  reportPlots();
}

// `draw` runs once `node` is in the page and has its width.
function schedulePlot(node, draw) {
  ++plotState.total;
  plotState.queue.push({ node, draw });
}

function drawNext() {
  const { node, draw } = plotState.queue.shift();
  try {
    draw(node);
  } catch (error) {
    console.error(error);
    node.replaceChildren(el("p", { class: "empty" }, `This plot failed to draw: ${error.message}`));
  }
}

// A few plots at a time, so that the page answers while it fills.
function drawPlots() {
  const start = performance.now();
  while (plotState.queue.length > 0 && performance.now() - start < FRAME_BUDGET_MS) drawNext();
  if (plotState.queue.length > 0) setTimeout(drawPlots, 0);
  else reportPlots();
}

function drawAllPlots() {
  while (plotState.queue.length > 0) drawNext();
  reportPlots();
}

// A figure: heading, how to read it, the y label above the plot, the plot, its legend, its data.
function plotFigure(block, { summary, yLabel, legend, getData, draw, picture, notes }) {
  const plot = el("div", { class: "plot", role: "img", "aria-label": summary,
    style: picture ? {} : { height: `${PLOT_HEIGHT}px` } }, picture);
  schedulePlot(plot, draw);
  return el("figure", { class: `figure ${block.type}` },
    figureCaption(block),
    yLabel && el("div", { class: "y-label" }, yLabel),
    plot,
    el("div", { class: "plot-foot" },
      legend,
      [block.note, ...(notes || [])].filter(Boolean).map((text) =>
        el("p", { class: "note" }, visibleText(text))),
      dataTable(getData)));
}

function figureCaption(block) {
  if (!block.title && !block.caption && !block.runLabel) return null;
  return el("figcaption", null,
    block.title && el("h3", { id: block.anchor },
      visibleText(block.title), block.runLabel && el("span", { class: "run-label" }, block.runLabel)),
    block.caption && el("p", null, visibleText(block.caption)));
}

function emptyFigure(block, message) {
  return el("figure", { class: `figure ${block.type}` }, figureCaption(block),
    el("p", { class: "empty" }, message));
}

// Buttons that show and hide lines; hovering one puts the others in the background.
function plotLegend(entries, getPlot) {
  if (entries.length === 0 || (entries.length === 1 && !entries[0].name)) return null;
  return el("ul", { class: "legend" }, entries.map(({ name, style }, i) => {
    const node = button([swatch(style), visibleText(name)], () => {
      const shown = node.getAttribute("aria-pressed") === "true";
      node.setAttribute("aria-pressed", String(!shown));
      getPlot()?.setSeries(i + 1, { show: !shown });
    }, { "aria-pressed": "true", title: "show or hide" });
    node.addEventListener("pointerenter", () => getPlot()?.setSeries(i + 1, { focus: true }));
    node.addEventListener("pointerleave", () => getPlot()?.setSeries(null, { focus: true }));
    return el("li", null, node);
  }));
}

const measureContext = document.createElement("canvas").getContext("2d");
function textWidth(text, font) {
  measureContext.font = font;
  return measureContext.measureText(text).width;
}

function formatTick(value, increment, logarithmic) {
  if (value === null || value === undefined) return "";
  if (value === 0) return "0";
  const exponent = Math.log10(Math.abs(value));
  if (logarithmic) {
    const whole = Math.round(exponent);
    const isPower = Math.abs(exponent - whole) < 1e-9;
    if (isPower && (whole <= -3 || whole >= 5)) return `10${superscript(whole)}`;
    return formatNumber(value, 3);
  }
  const decimals = Math.max(0, -Math.floor(Math.log10(increment) + 1e-9));
  if (decimals > 5 || exponent >= 9) return formatScientific(value, 2);
  if (increment >= 1e6) return `${groupDigits(String(Number((value / 1e6).toFixed(1))))}M`;
  if (increment >= 1e4) return `${groupDigits(String(Number((value / 1e3).toFixed(1))))}k`;
  return groupDigits(value.toFixed(increment === 2.5 * 10 ** -decimals ? decimals + 1 : decimals));
}

function plotAxis({ scale, side, label, logarithmic }) {
  const line = (name) => ({ stroke: () => cssColour(name), width: 1 });
  return {
    scale, side, font: TICK_FONT, gap: 6,
    label: side === 2 ? label || null : null,
    labelFont: `12.5px ${FONT_FAMILY}`, labelSize: 22, labelGap: 2,
    stroke: () => cssColour("--muted"),
    grid: { ...line("--grid"), show: side === 3 },
    ticks: { ...line("--rule"), size: side === 2 ? 5 : 0 },
    border: { ...line("--rule"), show: side === 2 },
    space: side === 2 ? 64 : 36,
    values: (u, splits, index, space, increment) =>
      splits.map((value) => formatTick(value, increment, logarithmic)),
    size: side === 2 ? 34 : (u, values) =>
      12 + Math.max(18, ...(values || []).map((text) => textWidth(text, TICK_FONT))),
  };
}

function linearRange(low, high) {
  return low === null || high === null ? [0, 1] : uPlot.rangeNum(low, high, 0.06, true);
}

function logRange(low, high) {
  return low === null || high === null ? [1, 10] : uPlot.rangeLog(low, high, 10, false);
}

// uPlot with the page's axes, cursor and upkeep; `extra` has series, hooks and what differs.
function makePlot(node, data, { xLabel, logX, logY, xRange, yRange, syncKey, ...extra }) {
  let first = true;
  const draws = [...(extra.hooks?.draw || []), () => {
    if (first) plotDrawn();
    first = false;
  }];
  const plot = new uPlot({
    width: node.clientWidth,
    height: node.clientHeight,
    padding: [8, 14, 0, 0],
    legend: { show: false },
    focus: { alpha: 0.2 },
    ...extra,
    cursor: {
      y: false,
      points: { size: 7, width: 0 },
      drag: { x: true, y: false, setScale: true },
      ...(syncKey ? { sync: { key: syncKey, setSeries: false } } : {}),
      ...extra.cursor,
    },
    scales: {
      x: { time: false, distr: logX ? 3 : 1, range: xRange ?? ((u, a, b) => (logX ? logRange(a, b)
        : a === b ? [a - 0.5, b + 0.5] : [a, b])) },
      y: { distr: logY ? 3 : 1, range: yRange ?? ((u, a, b) => (logY ? logRange : linearRange)(a, b)) },
    },
    axes: [
      plotAxis({ scale: "x", side: 2, label: xLabel, logarithmic: logX }),
      plotAxis({ scale: "y", side: 3, logarithmic: logY }),
    ],
    hooks: { ...extra.hooks, draw: draws },
  }, data, node);
  keepPlot(node, plot);
  return plot;
}

function keepPlot(node, plot) {
  plotState.live.push({ node, plot });
  resizeWatcher.observe(node);
}

function fitPlot({ node, plot }) {
  const [width, height] = [node.clientWidth, node.clientHeight];
  if (width > 0 && (width !== plot.width || height !== plot.height)) {
    plot.setSize({ width, height });
  }
}

const resizeWatcher = new ResizeObserver((changes) => {
  const nodes = new Set(changes.map((change) => change.target));
  for (const item of plotState.live) if (nodes.has(item.node)) fitPlot(item);
});

onSchemeChange(() => {
  for (const { plot } of plotState.live) plot.redraw(false);
});

// A box beside the cursor with rows of [style, name, value]; `null` hides it.
function plotTip(over) {
  const node = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
  over.append(node);
  return (content, left, top) => {
    node.hidden = content === null;
    if (content === null) return;
    node.replaceChildren(
      el("div", { class: "tip-title" }, content.title),
      el("table", null, content.rows.map(([style, name, value]) => el("tr", null,
        el("td", null, style && swatch(style)), el("td", null, visibleText(name)),
        el("td", { class: "num" }, value)))));
    const flip = left > over.clientWidth - node.offsetWidth - 24;
    node.style.left = `${flip ? left - node.offsetWidth - 14 : left + 14}px`;
    node.style.top = `${Math.max(0, Math.min(top - 12, over.clientHeight - node.offsetHeight))}px`;
  };
}
