// Axes: where ticks stand, what they say, how far an axis reaches.

const FONT_FAMILY = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
const TICK_FONT = `12px ${FONT_FAMILY}`;  // whole pixels: uPlot scales them by a regular expression

const measureContext = document.createElement("canvas").getContext("2d");
function textWidth(text, font) {
  measureContext.font = font;
  return measureContext.measureText(text).width;
}

function formatTick(value, increment) {
  if (value === null || value === undefined) return "";
  if (value === 0) return "0";
  const decimals = Math.max(0, -Math.floor(Math.log10(increment) + 1e-9));
  if (decimals > 5 || Math.abs(value) >= 1e9) return formatScientific(value, 2);
  if (increment >= 1e6) return `${groupDigits(String(Number((value / 1e6).toFixed(1))))}M`;
  if (increment >= 1e4) return `${groupDigits(String(Number((value / 1e3).toFixed(1))))}k`;
  const halved = Math.abs(increment * 10 ** decimals - 2.5) < 1e-6;
  return groupDigits(value.toFixed(halved && decimals > 0 ? decimals + 1 : decimals));
}

function formatLogTick(value) {
  if (value === null) return "";
  const exponent = Math.log10(value);
  const whole = Math.round(exponent);
  const isPower = Math.abs(exponent - whole) < 1e-9;
  const short = isPower && (whole <= -3 || whole >= 5);
  return short ? `10${superscript(whole)}` : formatNumber(value, 3);
}

// All of 1..9 times powers of ten, over many decades the powers alone; within less than a factor of
// 3, ticks at even distances.
function logSplits(low, high) {
  const splits = [];
  if (high / low < 3) {
    const rough = (high - low) / 6;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
    for (let n = Math.ceil(low / step); n * step <= high; ++n) {
      splits.push(Number((n * step).toPrecision(12)));
    }
    return splits;
  }
  const digits = high / low > 1e5 ? 1 : 9;
  const last = Math.floor(Math.log10(high) + 1e-9);
  for (let exponent = Math.floor(Math.log10(low)); exponent <= last; ++exponent) {
    for (let digit = 1; digit <= digits; ++digit) {
      const value = Number(`${digit}e${exponent}`);
      if (value >= low && value <= high) splits.push(value);
    }
  }
  return splits;
}

// The first digits that get a label, and the smallest distance between two such, in decades.
const LOG_DIGITS = [[[1, 2, 3, 4, 5, 6, 7, 8, 9], 0.0457], [[1, 2, 3, 5, 7], 0.146],
  [[1, 2, 5], 0.301], [[1, 3], 0.477], [[1], 1]];

// Labels one more tick at an end of the axis that would have none: the roundest that is near the
// end and `gap` pixels or more from the next label. `pixels` measures from that end.
function labelEnd(splits, labels, pixels, gap) {
  const next = Math.min(Infinity, ...labels.filter((value) => value !== null).map(pixels));
  const end = Math.min(...splits.map(pixels));
  const rank = (value) => "125346789".indexOf(value.toExponential()[0]);
  const free = splits.filter((value) => pixels(value) <= end + gap && next - pixels(value) >= gap);
  const best = free.sort((a, b) => rank(a) - rank(b) || pixels(a) - pixels(b))[0];
  return best === undefined ? labels
    : splits.map((value, i) => (value === best ? value : labels[i]));
}

// 1, 2, 5 where `gap` pixels allow it, fewer where not, more where that would be a single label;
// over many decades every n-th power of ten.
function logLabels(splits, low, high, length, gap) {
  if (high / low < 3) return splits;
  const perDecade = length / Math.log10(high / low);
  const every = Math.max(1, Math.ceil(gap / perDecade));
  const choose = (digits) => splits.map((value) => {
    const [mantissa, exponent] = value.toExponential(6).split("e");
    return digits.includes(Number(mantissa)) && Number(exponent) % every === 0 ? value : null;
  });
  const fitting = LOG_DIGITS.filter(([, distance]) => distance * perDecade >= gap);
  const usual = fitting.find(([digits]) => digits.length <= 3) || LOG_DIGITS[4];
  const labels = choose(usual[0]);
  const several = labels.filter((value) => value !== null).length >= 2;
  const chosen = several || fitting.length === 0 ? labels : choose(fitting[0][0]);
  const fromLow = (value) => Math.log10(value / low) * perDecade;
  return labelEnd(splits, labelEnd(splits, chosen, fromLow, gap), (value) =>
    length - fromLow(value), gap);
}

function logAxis(scale, side) {
  return {
    splits: (u, index, low, high) => logSplits(low, high),
    filter: (u, splits) => {
      const { min, max } = u.scales[scale];
      return side === 2 ? logLabels(splits, min, max, u.bbox.width / uPlot.pxRatio, 44)
        : logLabels(splits, min, max, u.bbox.height / uPlot.pxRatio, 18);
    },
    values: (u, splits) => splits.map(formatLogTick),
  };
}

function plotAxis({ scale, side, label, logarithmic }) {
  const line = (name) => ({ stroke: () => cssColour(name), width: 1 });
  const below = side === 2;
  return {
    scale, side, font: TICK_FONT, gap: 6,
    label: below ? label || null : null,
    labelFont: `13px ${FONT_FAMILY}`, labelSize: 22, labelGap: 2,
    stroke: () => cssColour("--muted"),
    grid: { ...line("--grid"), show: !below },
    ticks: { ...line("--rule"), size: below ? 5 : 0 },
    border: { ...line("--rule"), show: below },
    space: below ? 56 : 34,
    values: (u, splits, index, space, increment) =>
      splits.map((value) => formatTick(value, increment)),
    size: below ? 34 : (u, values) =>
      12 + Math.max(18, ...(values || []).map((text) => textWidth(text, TICK_FONT))),
    ...(logarithmic ? logAxis(scale, side) : {}),
  };
}

function padLinear(low, high, share) {
  if (low === null || high === null) return [0, 1];
  const half = 0.5 * (Math.abs(low) || 1);
  return low === high ? [low - half, high + half] : uPlot.rangeNum(low, high, share, true);
}

function padLog(low, high) {
  if (low === null || high === null) return [1, 10];
  const room = 10 ** Math.max(0.05 * Math.log10(high / low), 0.06);
  return [low / room, high * room];
}

function bounds(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity]);
}
