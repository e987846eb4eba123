// Texts whose tokens carry a strength. The background says how strong, against the strongest token
// of the group; inactive stretches are plain text, so that thousands of tokens stay cheap.

const SHOWN_GROUPS = 6;
const SHOWN_CONTEXTS = 5;
const TOKENS_BEFORE = 28;
const TOKENS_AFTER = 16;
const LONG_TOKEN = 24;

const MARKS = { "\n": "\u21b5", "\t": "\u21e5", "\r": "\u240d" };

// Line breaks, tabs and control characters as quiet marks within the text.
function markedText(text) {
  return text.split(/([\u0000-\u001f\u007f])/).filter((part) => part !== "").map((part) =>
    (/^[\u0000-\u001f\u007f]$/.test(part)
      ? el("span", { class: "mark" }, MARKS[part] || visibleText(part)) : part));
}

function tokenText(text) {
  if (text === "") return el("span", { class: "mark" }, "\u2205");
  return /^ +$/.test(text) ? el("span", { class: "mark" }, "\u2423".repeat(text.length))
    : markedText(text);
}

function tokenSpans(tokens, strongest) {
  const nodes = [];
  let quiet = "";
  const flush = () => {
    if (quiet !== "") nodes.push(markedText(quiet));
    quiet = "";
  };
  for (const { text, strength } of tokens) {
    if (strength === 0) {
      quiet += text;
      continue;
    }
    flush();
    const share = strongest > 0 ? Math.abs(strength) / strongest : 0;
    // A line may end before the token's leading space, not after it: both stay on one ground.
    const whole = /^ \S/.test(text) && text.length <= LONG_TOKEN;
    const classes = ["token", strength < 0 && "negative", whole && "whole"];
    nodes.push(whole && el("wbr"), el("span", { class: classes.filter(Boolean).join(" "),
      style: { "--s": share.toFixed(3) }, title: `strength ${formatNumber(strength)}` },
    tokenText(text)));
  }
  flush();
  return nodes;
}

// The document keeps tokens and strengths in two lists.
function contextTokens(context) {
  return context.tokens.map((text, i) => ({ text, strength: context.strengths[i] || 0 }));
}

// Long contexts open as a window around their strongest token.
function contextText(context, strongest) {
  const tokens = contextTokens(context);
  const size = (token) => Math.abs(token.strength);
  const peak = tokens.reduce((best, token, i) => (size(token) > size(tokens[best]) ? i : best), 0);
  const from = Math.max(0, peak - TOKENS_BEFORE);
  const to = Math.min(tokens.length, peak + TOKENS_AFTER + 1);
  const node = el("bdi", { class: "tokens" });
  const showAll = () => node.replaceChildren(...tokenSpans(tokens, strongest).flat(Infinity));
  const cut = (count) => button("\u2026", showAll,
    { class: "more", title: `show ${plural(count, "more token")}` });
  if (tokens.length - (to - from) < 8) return addChildren(node, tokenSpans(tokens, strongest));
  return addChildren(node, [
    from > 0 && cut(from),
    tokenSpans(tokens.slice(from, to), strongest),
    to < tokens.length && cut(tokens.length - to),
  ]);
}

function contextItem(context, strongest, format) {
  return el("li", null,
    el("span", { class: "peak num", title: `peak ${fullNumber(context.peak)}` },
      format(context.peak)),
    el("p", null, contextText(context, strongest),
      context.where && el("span", { class: "where" }, visibleText(context.where))));
}

// Adds items until `shown`, then a button that adds the rest. The button's `unfold` does what a
// click does and returns what undoes it: paper has everything.
function growingList(list, items, shown, make, describe) {
  list.append(...items.slice(0, shown).map(make));
  const rest = items.length - shown;
  if (rest <= 0) return [list];
  const more = button(describe(rest), () => more.unfold(), { class: "quiet unfold" });
  more.unfold = () => {
    const added = items.slice(shown).map(make);
    list.append(...added);
    more.remove();
    return () => {
      added.forEach((node) => node.remove());
      list.after(more);
    };
  };
  return [list, more];
}

function contextGroup(group) {
  const strongest = Math.max(0, ...group.contexts.flatMap((context) =>
    context.strengths.map((strength) => Math.abs(strength || 0))));
  const format = columnFormat(group.contexts.map((context) => context.peak));
  return el("section", { class: "latent" },
    el("h4", null, visibleText(group.title),
      group.note && el("span", { class: "latent-note" }, visibleText(group.note))),
    group.contexts.length === 0 && el("p", { class: "empty" }, "No active context."),
    growingList(el("ol", { class: "contexts" }), group.contexts, SHOWN_CONTEXTS,
      (context) => contextItem(context, strongest, format),
      (rest) => plural(rest, "more context")));
}

function contextsFigure(block) {
  const groups = block.groups;
  return el("section", { class: "figure contexts-block" },
    figureCaption(block),
    groups.length > 0 && el("p", { class: "strength-key" }, "strength ",
      el("span", { class: "num" }, "0"),
      el("span", { class: "strength-bar", "aria-hidden": "true" }),
      "strongest of the latent"),
    groups.length === 0 && el("p", { class: "empty" }, "No latents."),
    growingList(el("div", { class: "latents" }), groups, SHOWN_GROUPS, contextGroup,
      (rest) => `Show ${plural(rest, "more latent")}`));
}
