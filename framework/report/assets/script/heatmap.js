// Matrices as heat maps, in SVG: sharp on paper, coloured by the style sheet alone. Matrices too
// large for one element a cell become an image inside the SVG.

const HEAT_WIDTH = 680;
const HEAT_CELLS = 2500;
const HEAT_FONT = TICK_FONT;
const LABEL_WIDTH = 220;

function heatColour(t) {
  const side = t < 0 ? "neg" : "ramp";
  const size = Math.min(1, Math.abs(t));
  return size < 0.5 ? [`--${side}-mid`, 200 * size, "--ramp-low"]
    : [`--${side}-high`, 200 * size - 100, `--${side}-mid`];
}

function heatFill(t) {
  const [to, percent, from] = heatColour(t);
  return `color-mix(in oklab, var(${to}) ${percent.toFixed(1)}%, var(${from}))`;
}

// Strong cells need the other ink, from where its contrast is the larger one (a luminance of 0.18);
// cells in the middle need it in the dark scheme.
function cellClass(t) {
  if (t > 0.8 || t < -0.68) return "cell strong";
  return Math.abs(t) > 0.52 ? "cell middle" : "cell";
}

// Numbers of one sign use the ramp from end to end; numbers of both use it twice, from 0.
function heatScale(cells) {
  const [low, high] = bounds(cells.filter(isNumber));
  if (low < 0 && high > 0) {
    const size = Math.max(-low, high);
    return { low: -size, high: size, at: (value) => value / size, diverging: true };
  }
  const width = high - low || 1;
  return { low, high, at: (value) => (value - low) / width, diverging: false };
}

// A label that is too long loses its middle: names that begin alike end differently.
function heatLabel(text) {
  const characters = [...visibleText(text)];
  let shown = characters.join("");
  for (let kept = characters.length - 1; kept > 1 && textWidth(shown, HEAT_FONT) > LABEL_WIDTH; --kept) {
    const head = Math.ceil(kept / 2);
    const tail = characters.length - (kept - head);
    shown = `${characters.slice(0, head).join("")}\u2026${characters.slice(tail).join("")}`;
  }
  return shown;
}

// With the whole of it where it has lost some.
function heatText(attributes, text) {
  const shown = heatLabel(text);
  return el("svg:text", attributes, shown,
    shown !== visibleText(text) && el("svg:title", {}, visibleText(text)));
}

function heatLayout(block) {
  const rows = block.row_labels.length;
  const columns = block.column_labels.length;
  const widest = (labels) =>
    Math.max(0, ...labels.map((text) => textWidth(heatLabel(text), HEAT_FONT)));
  const left = widest(block.row_labels) + 10;
  const width = Math.min(76, (HEAT_WIDTH - left) / columns);
  const height = Math.min(width < 24 ? width : 30, Math.max(480 / rows, 1));
  const labelWidth = widest(block.column_labels);
  const slanted = labelWidth + 8 > width;
  const top = slanted ? labelWidth * 0.64 + 16 : 20;
  const overhang = slanted ? labelWidth * 0.77 : 0;
  return { rows, columns, left, top, width, height, slanted,
    totalWidth: Math.max(left + columns * width + overhang, 160),
    totalHeight: top + rows * height };
}

// Labels thin out where there is no room for each.
function heatLabels(block, box) {
  const rowStep = Math.ceil(13 / box.height);
  const columnStep = Math.ceil(13 / box.width);
  const rowLabels = block.row_labels.map((text, r) => r % rowStep === 0 && heatText({
    x: box.left - 8, y: box.top + (r + 0.5) * box.height, "text-anchor": "end",
    "dominant-baseline": "central" }, text));
  const columnLabels = block.column_labels.map((text, c) => {
    if (c % columnStep !== 0) return null;
    const x = box.left + (c + 0.5) * box.width;
    const y = box.top - 7;
    return heatText({ x, y, "text-anchor": box.slanted ? "start" : "middle",
      transform: box.slanted ? `rotate(-40 ${x} ${y})` : null }, text);
  });
  return [rowLabels, columnLabels];
}

function heatCells(block, box, scale) {
  const roomy = box.width >= 40 && box.height >= 18;
  const format = columnFormat(block.cells);
  const gap = box.width > 12 ? 1 : 0;
  return block.cells.map((value, i) => {
    if (!isNumber(value)) return null;
    const x = box.left + (i % box.columns) * box.width;
    const y = box.top + Math.floor(i / box.columns) * box.height;
    const t = scale.at(value);
    return [
      el("svg:rect", { x, y, width: box.width - gap, height: box.height - gap,
        style: { fill: heatFill(t) } }),
      roomy && el("svg:text", { class: cellClass(t),
        x: x + (box.width - gap) / 2, y: y + (box.height - gap) / 2, "text-anchor": "middle",
        "dominant-baseline": "central" }, format(value)),
    ];
  });
}

// One pixel a cell, coloured through a table of 511 shades.
function heatImage(block, box, scale) {
  const canvas = el("canvas", { width: box.columns, height: box.rows });
  const context = canvas.getContext("2d");
  const shades = el("canvas", { width: 511, height: 1 }).getContext("2d");
  const image = el("svg:image", { x: box.left, y: box.top, width: box.columns * box.width,
    height: box.rows * box.height, preserveAspectRatio: "none", class: "pixels" });
  const paint = () => {
    for (let i = 0; i < 511; ++i) {
      const [to, percent, from] = heatColour((i - 255) / 255);
      shades.fillStyle = `color-mix(in oklab, ${cssColour(to)} ${percent}%, ${cssColour(from)})`;
      shades.fillRect(i, 0, 1, 1);
    }
    const table = shades.getImageData(0, 0, 511, 1).data;
    const pixels = context.createImageData(box.columns, box.rows);
    block.cells.forEach((value, i) => {
      if (!isNumber(value)) return;
      const shade = 4 * Math.round(255 + 255 * Math.max(-1, Math.min(1, scale.at(value))));
      for (let c = 0; c < 4; ++c) pixels.data[4 * i + c] = table[shade + c];
    });
    context.putImageData(pixels, 0, 0);
    image.setAttribute("href", canvas.toDataURL());
  };
  paint();
  onSchemeChange(paint);
  return image;
}

function heatReadout(block, box, picture) {
  const readout = el("div", { class: "readout", "aria-hidden": "true" }, "\u00a0");
  picture.addEventListener("pointermove", (event) => {
    const bounds = picture.getBoundingClientRect();
    const zoom = box.totalWidth / bounds.width;
    const c = Math.floor(((event.clientX - bounds.left) * zoom - box.left) / box.width);
    const r = Math.floor(((event.clientY - bounds.top) * zoom - box.top) / box.height);
    const inside = c >= 0 && c < box.columns && r >= 0 && r < box.rows;
    readout.textContent = inside
      ? `${visibleText(block.row_labels[r])} \u00d7 ${visibleText(block.column_labels[c])}: ` +
        formatNumber(block.cells[r * box.columns + c]) : "\u00a0";
  });
  picture.addEventListener("pointerleave", () => (readout.textContent = "\u00a0"));
  return readout;
}

function heatKey(block, scale) {
  return el("div", { class: "heat-key" },
    block.value_label && el("span", null, visibleText(block.value_label)),
    el("span", { class: "num" }, formatNumber(scale.low, 3)),
    el("span", { class: scale.diverging ? "bar diverging" : "bar", "aria-hidden": "true" }),
    el("span", { class: "num" }, formatNumber(scale.high, 3)));
}

function matrixFigure(given) {
  const tree = isDistances(given) &&
    averageLinkage(given.cells, given.row_labels.length);
  const block = tree ? reordered(given, tree.leaves) : given;
  const box = heatLayout(block);
  if (tree) box.totalWidth = Math.max(box.totalWidth, box.left + box.columns * box.width) +
    TREE_WIDTH + 12;
  if (block.cells.length !== box.rows * box.columns || !block.cells.some(isNumber)) {
    return emptyFigure(block, "No finite values to show.");
  }
  const scale = heatScale(block.cells);
  const large = block.cells.length > HEAT_CELLS;
  const picture = el("svg:svg", { class: "heat", width: box.totalWidth, height: box.totalHeight,
    viewBox: `0 0 ${box.totalWidth} ${box.totalHeight}`, "aria-hidden": "true" },
  heatLabels(block, box));
  return plotFigure(block, {
    summary: `Heat map of ${block.value_label || "values"}, ${plural(box.rows, "row")} by ` +
      `${plural(box.columns, "column")}, ${rangeText(block.cells)}` +
      (tree ? "; ordered by average linkage, with its tree" : ""),
    legend: el("div", { class: "heat-foot" }, heatKey(block, scale),
      tree && el("span", { class: "tree-note" },
        "Ordered and joined by average linkage: the further right a join, the further apart."),
      heatReadout(block, box, picture)),
    getData: () => ({
      header: ["", ...given.column_labels],
      rows: given.row_labels.map((label, r) =>
        [label, ...given.cells.slice(r * box.columns, (r + 1) * box.columns)]),
    }),
    picture,
    draw: () => {
      addChildren(picture, [large ? heatImage(block, box, scale) : heatCells(block, box, scale),
        tree && treePaths(tree, box)]);
      plotDrawn();
    },
  });
}
