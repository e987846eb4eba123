// Numbers, times and names as a reader wants them: 3 to 4 significant digits on the page, the full
// value in the tooltip.

const DASH = "\u2014";

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function superscript(integer) {
  const digits = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";
  const text = String(Math.abs(integer)).replace(/\d/g, (digit) => digits[Number(digit)]);
  return (integer < 0 ? "\u207b" : "") + text;
}

// "-1234.5" -> "\u22121,234.5"
function groupDigits(text) {
  const [whole, fraction] = text.replace("-", "").split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const sign = text.startsWith("-") ? "\u2212" : "";
  return sign + grouped + (fraction === undefined ? "" : `.${fraction}`);
}

function formatScientific(value, digits) {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return `${groupDigits(mantissa)}\u00d710${superscript(Number(exponent))}`;
}

function formatNumber(value, digits = 4) {
  if (!isNumber(value)) return DASH;
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e12) return groupDigits(String(value));
  if (size >= 1e6 || size < 1e-4) return formatScientific(value, 3);
  return groupDigits(String(Number(value.toPrecision(digits))));
}

// The value in full, for tooltips and copies.
function fullNumber(value) {
  return isNumber(value) ? String(value) : DASH;
}

// One format for a column, so that its decimal points line up: 3 significant digits for the
// smallest entry as long as the largest has no more than 4; columns that span more fall back to one
// by one.
function columnFormat(values) {
  const numbers = values.filter(isNumber);
  if (numbers.every((value) => Number.isInteger(value))) return (value) => formatNumber(value);
  const sizes = numbers.map(Math.abs).filter((size) => size > 0);
  const high = Math.floor(Math.log10(Math.max(...sizes)));
  const low = Math.floor(Math.log10(Math.min(...sizes)));
  if (low < -4 || high > 5 || high - low > 3) return (value) => formatNumber(value);
  let decimals = Math.max(0, Math.min(2 - low, 3 - high));
  const fits = () => numbers.every((value) =>
    Number(value.toFixed(decimals)) === Number(value.toFixed(decimals - 1)));
  while (decimals > 1 && fits()) --decimals;
  return (value) => (value === 0 ? "0"
    : isNumber(value) ? groupDigits(value.toFixed(decimals)) : DASH);
}

function formatSeconds(seconds) {
  if (!isNumber(seconds)) return "";
  if (seconds < 10) return `${formatNumber(seconds, 2)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

// "2026-01-31T14:05:09Z" -> "2026-01-31 14:05 UTC"; anything else as it stands.
function formatTime(text) {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/.exec(text);
  if (!match) return text;
  const zone = match[3] === "Z" ? " UTC" : match[3] ? ` ${match[3]}` : "";
  return `${match[1]} ${match[2]}${zone}`;
}

// A metric's key as a heading: "ce_increase" -> "CE increase".
function prettyKey(key) {
  const acronyms = /^(fvu|ev|ce|kl|l0|l1|l2|mse|mmcs|mcc|f1|r2|auc|epic|dard|starc|ngram|sae)$/;
  return key
    .split(/[_\s]+/)
    .map((word) => (acronyms.test(word) ? word.toUpperCase() : word))
    .join(" ");
}

function plural(count, noun) {
  return `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;
}

// Control characters would vanish or break a line: show them as control pictures (U+2400...).
function visibleText(text) {
  return text.replace(/[\u0000-\u001f\u007f]/g, (character) =>
    character === "\u007f" ? "\u2421" : String.fromCharCode(0x2400 + character.charCodeAt(0)),
  );
}
