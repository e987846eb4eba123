// Questions that check_page.py puts to a page from within; the answer goes into data-probe.

function probe(question) {
  const root = document.documentElement;
  const wait = async () => {
    if (root.dataset.plots === undefined) {
      setTimeout(wait, 20);
      return;
    }
    const answer = JSON.stringify(await question());
    root.dataset.probe = answer;
    if (parent !== window) parent.postMessage(answer, "*");
  };
  wait();
}

const all = (selector) => [...document.querySelectorAll(selector)];
const one = (selector, text) => all(selector).find((node) => node.textContent.includes(text));

// What a screen reader and the keyboard rely on.
function structure() {
  const ids = all("[id]").map((node) => node.id);
  const inPage = (href) => document.getElementById(decodeURIComponent(href.slice(1))) !== null;
  const levels = all("h1, h2, h3, h4").map((node) => Number(node.tagName[1]));
  return {
    "one h1": all("h1").length === 1,
    "no heading level is skipped": levels.every((level, i) =>
      i === 0 || level <= levels[i - 1] + 1),
    "every plot has a label": all(".plot").every((node) => node.getAttribute("role") === "img" &&
      node.getAttribute("aria-label").length > 20),
    "every plot has its data": all(".plot").every((node) =>
      node.closest("figure").querySelector("details.data") !== null),
    "every table has headers and a caption": all("#page table:not(.u-legend)").every((node) =>
      node.querySelector("th[scope]") !== null && node.caption !== null),
    "ids are unique": new Set(ids).size === ids.length,
    "links lead somewhere": all("#page a").every((node) => inPage(node.getAttribute("href"))),
    "buttons have names": all("button").every((node) => node.textContent.trim() !== ""),
    "undefined carries its reason": all("td.none sup").length > 0 &&
      all("td.none").every((node) => node.title !== "" || node.closest("table.block")),
    "numbers carry their full value": all(".metrics td.num").every((node) => node.title !== ""),
    "best cells are marked": one(".metrics td.best", "0.154") !== undefined,
    "the sections are in the contents": all("main h2").every((node) =>
      document.querySelector(`nav a[href="#${CSS.escape(node.id)}"]`) !== null),
  };
}

function column(table, index) {
  return [...table.tBodies].flatMap((body) => [...body.rows]).map((row) =>
    row.cells[index]?.textContent);
}

// The page answers to clicks.
function clicks() {
  const facts = {};
  const heads = () => [...document.querySelector(".metrics thead tr").cells].map((cell) =>
    cell.textContent).slice(1).join();
  const before = heads();
  one(".metrics button.sort", "FVU").click();
  facts["sorting puts the best first"] = heads().startsWith("batchtopk[k=32]");
  facts["sorting is announced"] = one(".metrics th[aria-sort='ascending']", "FVU") !== undefined;
  facts["focus stays"] = document.activeElement.textContent.includes("FVU");
  one(".metrics button.sort", "FVU").click();
  facts["sorting turns round"] = heads().startsWith("random");
  one(".metrics button.sort", "FVU").click();
  facts["sorting ends"] = heads() === before;
  one("button.quiet", "Swap rows").click();
  facts["rows and columns swap"] = document.querySelector(".metrics.wide tbody tr").cells[0]
    .textContent === "topk[k=16]";
  const table = () => one("figure.table", "What was trained").querySelector("table");
  table().querySelectorAll("button.sort")[4].click();
  facts["tables sort, missing last"] = column(table(), 0).join() ===
    "batchtopk[k=32],topk[k=32],topk[k=16],relu[l1=0.02],random";
  const legend = one(".legend button", "topk[k=32]");
  legend.click();
  facts["the legend hides"] = legend.getAttribute("aria-pressed") === "false";
  legend.click();
  facts["the legend shows"] = legend.getAttribute("aria-pressed") === "true";
  const latents = all(".latent").length;
  one("button.quiet", "more latents").click();
  facts["more latents show"] = all(".latent").length === latents + 2;
  const contexts = all(".contexts li").length;
  one("button.quiet", "more contexts").click();
  facts["more contexts show"] = all(".contexts li").length === contexts + 2;
  const cut = document.querySelector("button.more");
  const tokens = cut.closest(".tokens");
  const length = tokens.textContent.length;
  cut.click();
  facts["long contexts unfold"] = tokens.textContent.length > length;
  const strongest = document.querySelector(".latent .token[style*='--s: 1']");
  facts["strengths are shaded"] =
    getComputedStyle(strongest).backgroundColor !== "rgba(0, 0, 0, 0)";
  return facts;
}

// Nothing in a report became an element or ran.
function untouched() {
  const allowed = new Set(["A", "ASIDE", "BDI", "BUTTON", "CANVAS", "CAPTION", "CODE", "DD",
    "DETAILS", "DIV", "DL", "DT", "FIGCAPTION", "FIGURE", "FOOTER", "H1", "H2", "H3", "H4",
    "HEADER", "LI", "MAIN", "NAV", "OL", "P", "PRE", "SECTION", "SPAN", "SUMMARY", "SUP", "TABLE",
    "TBODY", "TD", "TH", "THEAD", "TIME", "TR", "UL", "WBR", "line", "path",
    "rect", "svg", "text", "title"]);
  return {
    scripts: document.scripts.length - 1,  // without this one
    foreign: all("#page *").filter((node) => !allowed.has(node.tagName)).length,
    pwned: window.pwned !== undefined,
  };
}

// How bright the plots' drawn pixels are (grid lines are most of them), and whether each canvas has
// any.
function ink() {
  let sum = 0;
  let count = 0;
  const drawn = all(".plot canvas").map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let own = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] < 200) continue;
      ++own;
      sum += data[i] + data[i + 1] + data[i + 2];
    }
    count += own;
    return own > 500;
  });
  return { drawn: drawn.length === 4 && drawn.every(Boolean), brightness: sum / count / 3 };
}

// What sticks out of the page with all that folds opened, other than within parts that scroll on
// their own.
async function width() {
  all("main details").forEach((node) => (node.open = true));
  await new Promise((done) => setTimeout(done, 200));
  const out = all("#page *").filter((node) => node.getBoundingClientRect().right > innerWidth + 1 &&
    !node.closest(".scroll, pre, .plot, .hidden"));
  return { view: innerWidth, page: document.documentElement.scrollWidth,
    out: out.map((node) => `${node.tagName}.${node.className}`).slice(0, 5) };
}

// What happens around printing, in the dark scheme.
function printing() {
  const root = document.documentElement;
  const paper = () => getComputedStyle(root).getPropertyValue("--paper").trim();
  const widths = () => all(".uplot").map((node) => node.offsetWidth).join();
  const before = { paper: paper(), open: all("details[open]").length };
  dispatchEvent(new Event("beforeprint"));
  const facts = {
    "paper is white": paper() === "#ffffff" && before.paper !== "#ffffff",
    "the resolved recipe opens": all("details.paper[open]").length > 0,
    "the contents are left out": getComputedStyle(document.querySelector("nav")).display === "none",
    "the page is as wide as paper": root.scrollWidth <= Math.max(innerWidth, 690) &&
      document.querySelector("main").offsetWidth <= 690,
  };
  const narrow = widths();
  dispatchEvent(new Event("afterprint"));
  facts["the screen comes back"] = paper() === before.paper &&
    all("details[open]").length === before.open && root.dataset.print === undefined;
  facts["plots are told"] = narrow !== "";
  return facts;
}

// Which dashes the marks of SAEs have in block tables, by run.
function tableDashes() {
  const found = {};
  for (const line of all(".block .swatch line")) {
    const run = line.closest("figure").querySelector(".run-label").textContent;
    found[run] = [...new Set([...(found[run] || []), line.getAttribute("stroke-dasharray")])];
  }
  return found;
}

// Paper has what the screen folds, no table is wider than it, and the screen comes back.
function onPaper() {
  const counts = () => [all(".latent").length, all(".contexts li").length,
    all("button.unfold").length].join();
  const wide = () => all(".scroll > table").filter((table) =>
    table.getBoundingClientRect().width > table.parentElement.clientWidth + 1).length;
  const spans = (name) => all(`pre .${name}`).map((node) => node.textContent);
  const folded = counts();
  const facts = {
    "tables of the recipe are told from comments": spans("table").slice(0, 2).join("|") ===
      '[sae.student]|[[odd."a # b"]]' &&
      spans("comment").join("|") === "# k = 5 of them|# noted",
    "tokens keep their leading space": all(".token").every((node) => node.textContent[0] === " " &&
      node.previousSibling.tagName === "WBR" && getComputedStyle(node).whiteSpace === "pre"),
    "some is folded on the screen": folded === "6,30,7",
  };
  dispatchEvent(new Event("beforeprint"));
  facts["nothing is folded on paper"] = counts() === "11,99,0";
  facts["every table fits the paper"] = wide() === 0;
  dispatchEvent(new Event("afterprint"));
  facts["the screen is folded again"] = counts() === folded;
  return facts;
}
