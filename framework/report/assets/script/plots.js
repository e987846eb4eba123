// What all plots share: the frame around them, the queue that draws them, axes, resizing, printing.
// uPlot draws on canvases at DENSITY pixels a CSS pixel, so that print is sharp too.

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
  const plot = el("div", { class: picture ? "plot" : "plot sized", role: "img",
    "aria-label": summary }, picture);
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
      visibleText(block.title),
      block.runLabel && el("span", { class: "run-label" }, block.runLabel)),
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

// uPlot with the page's axes, cursor and upkeep. `ranges` has x and y: (low, high) -> [low, high];
// `options` are uPlot's own.
function makePlot(node, data, { xLabel, logX, logY, ranges, syncKey }, options) {
  let first = true;
  const drawn = () => {
    if (first) plotDrawn();
    first = false;
  };
  const plot = new uPlot({
    width: node.clientWidth,
    height: node.clientHeight,
    padding: [8, 22, 0, 0],
    legend: { show: false },
    focus: { alpha: 0.2 },
    ...options,
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: true },
      ...(syncKey ? { sync: { key: syncKey, setSeries: false } } : {}),
      ...options.cursor,
    },
    scales: {
      x: { time: false, distr: logX ? 3 : 1, range: (u, low, high) => ranges.x(low, high) },
      y: { distr: logY ? 3 : 1, range: (u, low, high) => ranges.y(low, high) },
    },
    axes: [
      plotAxis({ scale: "x", side: 2, label: xLabel, logarithmic: logX }),
      plotAxis({ scale: "y", side: 3, logarithmic: logY }),
    ],
    hooks: { ...options.hooks, draw: [...(options.hooks.draw || []), drawn] },
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
  for (const { plot } of plotState.live) plot.redraw(false, true);
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
    const [room, width] = [over.clientWidth, node.offsetWidth];
    const beside = left > room / 2 ? left - width - 14 : left + 14;
    node.style.left = `${Math.max(-over.offsetLeft, Math.min(beside, room - width))}px`;
    node.style.top = `${Math.max(0, Math.min(top - 12, over.clientHeight - node.offsetHeight))}px`;
  };
}
