#!/usr/bin/env python3
"""Checks the report page in headless Chromium: that it runs without a word on the console, draws
every plot, shows what it was given as text and nothing but text, answers to clicks, fits narrow
screens, changes with the colour scheme and prints. Pictures stay in --out, to be looked at.

usage: check_page.py --render PROGRAM --fixtures FOLDER --out FOLDER
"""
import argparse
import html
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree stays as it is
from page_documents import crowded, edge_cases, hostile, paper, HOSTILE_TEXTS  # noqa: E402

HERE = Path(__file__).resolve().parent
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr", "--v=0",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=8000"]
DARK, LIGHT = "--blink-settings=preferredColorScheme=0", "--blink-settings=preferredColorScheme=1"

failures = []


def check(condition, message):
    if not condition:
        failures.append(message)
        print("FAILED:", message)


def find_chromium():
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        path = shutil.which(name)
        if path:
            return path
    sys.exit("no Chromium found: install the package 'chromium' to check the report page")


class Browser:
    def __init__(self, out):
        self.program = find_chromium()
        self.out = out

    def run(self, page, *arguments):
        """Standard output; anything said on the console is a failure."""
        with tempfile.TemporaryDirectory(prefix="saffron_report_") as profile:
            done = subprocess.run(
                [self.program, *FLAGS, f"--user-data-dir={profile}", *arguments, page.as_uri()],
                capture_output=True, text=True, errors="replace", timeout=120)
        for line in done.stderr.splitlines():
            check("CONSOLE" not in line, f"{page.name}: console: {line}")
        check(done.returncode == 0, f"{page.name}: Chromium ended with {done.returncode}")
        return done.stdout

    def document(self, page, *arguments):
        return self.run(page, "--dump-dom", *arguments)

    def picture(self, page, name, width, height, *arguments):
        path = self.out / name
        self.run(page, f"--screenshot={path}", f"--window-size={width},{height}", *arguments)
        check(path.exists(), f"{name} was not made")
        return path


def read_png(path):
    """Rows of RGB(A) bytes of an 8-bit, non-interlaced PNG."""
    data = path.read_bytes()
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert depth == 8 and colour in (2, 6), "an 8-bit colour PNG"
    size = 3 if colour == 2 else 4
    packed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += length + 12
    raw, stride = zlib.decompress(packed), width * size
    rows, previous = [], bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        row = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + stride]), previous, size)
        rows.append(row)
        previous = row
    return rows, size


def unfilter(kind, row, above, size):
    for i in range(len(row)):
        left = row[i - size] if i >= size else 0
        corner = above[i - size] if i >= size else 0
        if kind == 1:
            row[i] = (row[i] + left) & 255
        elif kind == 2:
            row[i] = (row[i] + above[i]) & 255
        elif kind == 3:
            row[i] = (row[i] + (left + above[i]) // 2) & 255
        elif kind == 4:
            estimate = left + above[i] - corner
            near = min((left, above[i], corner), key=lambda value: abs(estimate - value))
            row[i] = (row[i] + near) & 255
    return row


def colours(path):
    """The page's background and how many different colours a picture has."""
    rows, size = read_png(path)
    seen = {bytes(row[i:i + 3]) for row in rows[::3] for i in range(0, len(row), 3 * size)}
    return tuple(rows[2][0:3]), len(seen)


def with_probe(page, name):
    """A copy of the page that runs probe.js's function `name` once all is drawn; its answer comes
    back in the dump, so that Chromium needs no remote control."""
    probe = (HERE / "probe.js").read_text(encoding="utf-8")
    copy = page.with_name(f"{page.stem}_{name}.html")
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("</body>", f"<script>{probe}\nprobe({name});</script></body>"),
                    encoding="utf-8")
    return copy


def probed(browser, page, name, *arguments):
    dump = browser.document(with_probe(page, name), *arguments)
    answer = re.search(r'data-probe="([^"]*)"', dump)
    check(answer is not None, f"{page.name}: {name} gave no answer")
    return json.loads(html.unescape(answer.group(1))) if answer else {}


def plots_drawn(page, dump, expected):
    found = re.search(r'data-plots="(\d+)/(\d+)"', dump)
    check(found is not None, f"{page.name}: the page never said that it was ready")
    if found:
        drawn, total = map(int, found.groups())
        check(drawn == total == expected,
              f"{page.name}: {drawn} of {total} plots drawn, {expected} expected")


def shown_text(dump):
    body = dump[dump.index('<div id="page">'):dump.index('<script type="application/json"')]
    return html.unescape(re.sub(r"<[^>]*>", "", body))


def check_single(browser, page):
    dump = browser.document(page)
    plots_drawn(page, dump, 6)
    text = shown_text(dump)
    for expected in [
            "quickstart", "took 8 min 33 s", "Five sparse autoencoders", "4-bit file (Q4_1)",
            "Side by side", "CE increase", "0.154", "2,048,000", "the random baseline's decoder",
            "Firing frequency", "Latents that never fired are left out",
            "Sparsity against fidelity", "What was trained", "4,722,688", "Shared features",
            "topk[k=16] latent 117",
            "fires on 0.4 % of tokens", "bible.txt, row 118", "\u21b5", "\u2423\u2423",
            "Ties go to the lower index.", "the canonicalised reward is constant",
            "sparse by construction", "sha256 b179c952", "Glossary of metrics",
            "sum ||x - xhat||^2 / sum ||x - mean x||^2"]:
        check(expected in text, f"{page.name}: '{expected}' is not shown")
    for word in ("undefined</", "NaN", "[object", "Infinity"):
        check(word not in dump[:dump.index('<script type="application/json"')],
              f"{page.name}: '{word}' is shown")
    facts = probed(browser, page, "structure")
    for fact, value in facts.items():
        check(value is True, f"{page.name}: {fact}: {value}")
    clicks = probed(browser, page, "clicks")
    for fact, value in clicks.items():
        check(value is True, f"{page.name}: {fact}: {value}")


def check_comparison(browser, page):
    dump = browser.document(page)
    plots_drawn(page, dump, 8)  # curves, densities and points overlaid, heat maps run by run
    text = shown_text(dump)
    for expected in ["quickstart and quickstart-lr", "Recipe differences", "train.all.optimizer.lr",
                     "0.0005", "train.all.clip", "topk[k=16] \u00b7 quickstart-lr", "Recipes"]:
        check(expected in text, f"{page.name}: '{expected}' is not shown")
    check("sae.topk.width" not in text, f"{page.name}: an equal key is listed as a difference")
    dashes = probed(browser, page, "tableDashes")
    check(dashes == {"quickstart": [None], "quickstart-lr": ["7 4"]},
          f"{page.name}: marks of the runs in tables: {dashes}")


def check_hostile(browser, page):
    dump = browser.document(page)
    plots_drawn(page, dump, 4)
    text = shown_text(dump)
    for expected in HOSTILE_TEXTS:
        check(expected in text, f"{page.name}: {expected!r} is not shown as it is")
    for control in ("\u2401", "\u241b"):
        check(control in text, f"{page.name}: {control} does not stand for its control character")
    facts = probed(browser, page, "untouched")
    check(facts == {"scripts": 3, "foreign": 0, "pwned": False}, f"{page.name}: {facts}")


def check_looks(browser, page, comparison):
    background, count = colours(browser.picture(page, "light.png", 1280, 1400, LIGHT))
    check(background == (255, 255, 255), f"light background is {background}")
    check(count > 100, f"light.png has {count} colours")
    background, count = colours(browser.picture(page, "dark.png", 1280, 1400, DARK))
    check(max(background) < 40, f"dark background is {background}")
    check(count > 100, f"dark.png has {count} colours")
    browser.picture(page, "narrow.png", 500, 2600, LIGHT)
    browser.picture(comparison, "comparison.png", 1280, 2600, LIGHT)
    light = probed(browser, page, "ink", LIGHT)
    dark = probed(browser, page, "ink", DARK)
    check(light.get("drawn") and dark.get("drawn"), "a canvas is blank")
    check(light.get("brightness", 0) > dark.get("brightness", 999) + 40,
          f"plots do not follow the scheme: {light}, {dark}")


def check_narrow(browser, page):
    """Inside a frame of a phone's width; Chromium's own window is never that narrow."""
    inner = with_probe(page, "width")
    outer = page.with_name("frame.html")
    outer.write_text("<!doctype html><html><body><script>addEventListener('message', (event) => "
                     "document.documentElement.dataset.probe = event.data);</script>"
                     f"<iframe src='{inner.name}' width='360' height='800'></iframe></body></html>",
                     encoding="utf-8")
    answer = re.search(r'data-probe="([^"]*)"', browser.document(outer))
    facts = json.loads(html.unescape(answer.group(1))) if answer else {}
    check(facts.get("view") == 360 and facts.get("page") <= 360 and facts.get("out") == [],
          f"on a phone: {facts}")


def check_print(browser, page):
    path = browser.out / "print.pdf"
    browser.run(page, f"--print-to-pdf={path}", "--no-pdf-header-footer", DARK)
    pages = len(re.findall(rb"/Type\s*/Page\b", path.read_bytes()))
    check(4 <= pages <= 14, f"the PDF has {pages} pages")
    facts = probed(browser, page, "printing", DARK)
    for fact, value in facts.items():
        check(value is True, f"{page.name}: {fact}: {value}")
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True,
                              text=True, check=True).stdout
        for expected in ("quickstart", "Glossary of metrics", "As resolved", "optimizer ="):
            check(expected in text, f"'{expected}' is not in the PDF")
        check("Swap rows and columns" not in text, "buttons are printed")


def check_paper(browser, page, comparison):
    text = shown_text(browser.document(page))
    for expected in ["b, F1 0.12, L0 77", "0.5a, L0 5", "extends base.toml",
                     "--set sae.student.k=64", "--set name=paper", "40 of 45 rows"]:
        check(expected in text, f"{page.name}: '{expected}' is not shown")
    compared = shown_text(browser.document(comparison))
    check(compared.count("b, F1 0.12, L0 77") == 2, f"{comparison.name}: MMCS stands alone")
    for fact, value in probed(browser, page, "onPaper").items():
        check(value is True, f"{page.name}: {fact}: {value}")
    path = browser.out / "paper.pdf"
    browser.run(page, f"--print-to-pdf={path}", "--no-pdf-header-footer")
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True,
                              check=True).stdout
        check("latent 10" in text, "folded latents are not in the PDF")
        check(text.count("beginning") == 99, f"{text.count('beginning')} of 99 contexts in the PDF")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", required=True)
    parser.add_argument("--fixtures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)

    def page(name, *documents):
        path = out / f"{name}.html"
        subprocess.run([arguments.render, str(path), *map(str, documents)], check=True)
        return path

    def written(name, document):
        path = out / f"{name}.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    sample = arguments.fixtures / "sample.json"
    browser = Browser(out)
    single = page("single", sample)
    comparison = page("comparison", sample, arguments.fixtures / "sample_b.json")
    check_single(browser, single)
    check_comparison(browser, comparison)
    check_hostile(browser, page("hostile", written("hostile_data", hostile())))
    edge = page("edge", written("edge_data", edge_cases()))
    plots_drawn(edge, browser.document(edge), 10)
    minimal = page("minimal", written("minimal_data", {"format": "saffron-report/1"}))
    plots_drawn(minimal, browser.document(minimal), 0)
    wide = written("paper_data", paper())
    check_paper(browser, page("paper", wide), page("papers", wide, wide))
    many = page("crowded", written("crowded_data", crowded(40)))
    plots_drawn(many, browser.document(many), 40)
    check_looks(browser, single, comparison)
    check_narrow(browser, single)
    check_print(browser, single)
    print(f"{len(failures)} failures; pictures in {out}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
