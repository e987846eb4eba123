// Elements, built from text nodes only: nothing from a report is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

function addChildren(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

// el("th", { class: "num", scope: "col", onclick: f, style: { "--x": 1 } }, "text", node, ...)
function el(tag, attributes, ...children) {
  const node = tag.startsWith("svg:")
    ? document.createElementNS(SVG, tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") setStyle(node, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  return addChildren(node, children);
}

function setStyle(node, properties) {
  for (const [name, value] of Object.entries(properties)) node.style.setProperty(name, value);
}

function paragraphs(text, attributes) {
  return text
    .split(/\n\s*\n/)
    .filter((part) => part.trim() !== "")
    .map((part) => el("p", attributes, part.trim()));
}

// Anchors: unique, made of the title's letters.
const usedIds = new Set(["page", "reports"]);
function uniqueId(text) {
  const base =
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, "-")
      .replace(/^-|-$/g, "") || "part";
  let id = base;
  for (let n = 2; usedIds.has(id); ++n) id = `${base}-${n}`;
  usedIds.add(id);
  return id;
}

function button(label, onclick, attributes) {
  return el("button", { type: "button", onclick, ...attributes }, label);
}

// Copies without a clipboard permission too (older browsers, plain http).
async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = el("textarea", { class: "offscreen", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("the browser refused to copy");
}

function copyButton(getText, label = "Copy") {
  const node = button(label, async () => {
    let said = "Copied";
    try {
      await copyText(getText());
    } catch {
      said = "Not allowed by the browser";
    }
    node.textContent = said;
    setTimeout(() => (node.textContent = label), 1600);
  });
  node.className = "quiet copy";
  node.setAttribute("aria-live", "polite");
  return node;
}

// A <details> whose content is made when it is first opened.
function lazyDetails(summary, makeContent) {
  const node = el("details", { class: "data" }, el("summary", null, summary));
  node.addEventListener("toggle", () => node.append(...makeContent()), { once: true });
  return node;
}
