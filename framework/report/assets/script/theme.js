// Colours live in report.css as custom properties. Canvases read them from there, again whenever
// the colour scheme changes or the page is printed (print uses the light scheme).

const colourCache = new Map();

function cssColour(name) {
  if (!colourCache.has(name)) {
    const style = getComputedStyle(document.documentElement);
    colourCache.set(name, style.getPropertyValue(name).trim());
  }
  return colourCache.get(name);
}

const SERIES_COLOURS = 8;
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

// One colour a name on the whole page: an SAE looks the same in every plot and table.
const namedColours = new Map();
function registerName(name) {
  if (!namedColours.has(name)) namedColours.set(name, namedColours.size);
}

// How each of a plot's names is drawn: {colour: index, dash: index}. `bases[i]` is the name that
// decides the colour, `runs[i]` the run, which decides the dash in a comparison.
function assignStyles(bases, runs) {
  const taken = new Set(bases.filter((name) => namedColours.has(name)).map(styleOfName));
  const local = new Map();
  let next = 0;
  return bases.map((name, i) => {
    if (namedColours.has(name)) return { number: styleOfName(name), run: runs[i] };
    if (!local.has(name)) {
      while (taken.has(next)) ++next;
      local.set(name, next++);
    }
    return { number: local.get(name), run: runs[i] };
  }).map(({ number, run }) => ({
    colour: number % SERIES_COLOURS,
    dash: (Math.floor(number / SERIES_COLOURS) + run) % DASHES.length,
  }));
}

function styleOfName(name) {
  return namedColours.get(name);
}

function seriesVariable(style) {
  return `--series-${style.colour + 1}`;
}

// The swatch of legends and tables: a short stroke with the series' dash.
function swatch(style) {
  const line = el("svg:line", {
    x1: 0, y1: 5, x2: 20, y2: 5, "stroke-width": 2.5,
    "stroke-dasharray": DASHES[style.dash].length ? DASHES[style.dash].join(" ") : null,
    style: { stroke: `var(${seriesVariable(style)})` },
  });
  return el("svg:svg", { class: "swatch", viewBox: "0 0 20 10", "aria-hidden": "true" }, line);
}

// Calls back after the colours have changed.
const schemeListeners = [];
function onSchemeChange(callback) {
  schemeListeners.push(callback);
}
function schemeChanged() {
  colourCache.clear();
  for (const callback of schemeListeners) callback();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schemeChanged);
