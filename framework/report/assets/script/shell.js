// The table of contents, and what happens around printing.

function contentsNav(parts) {
  const entry = (heading) => {
    const text = heading.firstChild.textContent;
    return el("a", { href: `#${heading.id}` }, text);
  };
  const list = el("ol", null, parts.map((part) => {
    const blocks = [...part.querySelectorAll("figcaption > h3[id]")];
    return el("li", null, entry(part.querySelector("h2")),
      blocks.length > 1 && el("ol", null, blocks.map((block) => el("li", null, entry(block)))));
  }));
  const wide = matchMedia("(min-width: 1100px)");
  const details = el("details", { open: wide.matches }, el("summary", null, "Contents"), list);
  wide.addEventListener("change", () => (details.open = wide.matches));
  list.addEventListener("click", () => {
    if (!wide.matches) details.open = false;
  });
  return el("nav", { class: "contents", "aria-label": "Contents" }, details);
}

// Marks the section being read in the table of contents.
function watchSections(parts) {
  const links = new Map(parts.map((part) => {
    const id = part.querySelector("h2").id;
    return [part, document.querySelector(`.contents a[href="#${CSS.escape(id)}"]`)];
  }));
  const visible = new Set();
  const observer = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) visible.add(target);
      else visible.delete(target);
    }
    const current = parts.find((part) => visible.has(part));
    for (const [part, link] of links) {
      if (part === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { rootMargin: "-15% 0px -70% 0px" });
  for (const part of parts) observer.observe(part);
}

// Makes tables that are wider than the page as narrow as it: a browser would shrink all pages.
function fitTables() {
  for (const table of document.querySelectorAll(".scroll > table")) {
    const share = table.parentElement.clientWidth / table.offsetWidth;
    if (share > 0 && share < 1) table.style.zoom = (0.99 * share).toFixed(3);
  }
}

// Paper gets the light scheme at paper width, every plot drawn, and all that folds opened.
function setUpPrinting() {
  const root = document.documentElement;
  let opened = [];
  let folds = [];
  const prepare = () => {
    if (root.dataset.print !== undefined) return;
    root.dataset.print = "";
    opened = [...document.querySelectorAll("details.paper:not([open])")];
    for (const details of opened) details.open = true;
    for (let more; (more = document.querySelector("button.unfold"));) folds.push(more.unfold());
    fitTables();
    drawAllPlots();
    plotState.live.forEach(fitPlot);
    schemeChanged();
  };
  const restore = () => {
    if (root.dataset.print === undefined) return;
    delete root.dataset.print;
    for (const details of opened) details.open = false;
    for (const fold of folds.reverse()) fold();
    folds = [];
    document.querySelectorAll(".scroll > table").forEach((table) => (table.style.zoom = ""));
    plotState.live.forEach(fitPlot);
    schemeChanged();
  };
  addEventListener("beforeprint", prepare);
  addEventListener("afterprint", restore);
}
