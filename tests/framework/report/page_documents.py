"""Documents that try the report page: hostile text, odd data, many blocks."""
import math

# Shown letter for letter, wherever they stand.
HOSTILE_TEXTS = [
    "</script><script>window.pwned = 1</script>",
    "<img src=x onerror=\"window.pwned = 1\">",
    "<!-- <script>",
    "'\"`&amp;&lt;\\u003c${pwned}",
    "\u202e\u4e2d\u6587 \U0001f33e \u2028",
    "javascript:window.pwned=1",
    "__proto__",
]


def metric(key, value, subject="a", better="lower", **more):
    return {"key": key, "value": value, "subject": subject, "better": better, **more}


def document(name, sections, **more):
    return {"format": "saffron-report/1", "run": {"name": name, "id": name}, "headline": [],
            "notes": [], "sections": sections, "recipe": {"given": "", "resolved": ""},
            "provenance": {"groups": []}, **more}


def section(blocks, metrics=(), title="Blocks", kind="score"):
    return {"id": title, "title": title, "kind": kind, "node": "score.x",
            "metrics": list(metrics), "blocks": blocks}


def series(lines, **more):
    return {"type": "series", "title": "s", "x_label": "x", "y_label": "y", "log_x": False,
            "log_y": False,
            "lines": [{"name": name, "x": x, "y": y} for name, x, y in lines], **more}


def hostile():
    everything = " ".join(HOSTILE_TEXTS)
    controls = "bell \x01 escape \x1b[31m"
    blocks = [{**block, "title": everything, "caption": everything} for block in [
        series([(everything, [0, 1], [1, 2])], x_label=everything, y_label=everything),
        {"type": "histogram", "x_label": everything, "y_label": everything, "edges": [0, 1, 2],
         "parts": [{"name": everything, "counts": [1, 2]}], "note": everything},
        {"type": "matrix", "row_labels": [everything], "column_labels": [everything],
         "cells": [1.5], "value_label": everything},
        {"type": "scatter", "x_label": everything, "y_label": everything, "log_x": False,
         "log_y": False, "groups": [{"name": everything, "x": [1], "y": [2],
                                     "labels": [everything]}]},
        {"type": "contexts", "groups": [{"title": everything, "note": everything, "contexts": [
            {"tokens": [everything, controls], "strengths": [1, 0], "where": everything,
             "peak": 1}]}]},
        {"type": "table", "columns": [{"name": everything, "unit": everything, "doc": everything,
                                       "better": "lower"}], "rows": [[everything], [controls]]},
        {"type": "text", "text": everything + "\n\n" + controls},
    ]]
    metrics = [metric(everything, 1, everything, definition=everything, unit=everything,
                      range=everything),
               metric("b", None, everything, undefined=everything)]
    return document(
        everything, [section(blocks, metrics, everything)], headline=[everything],
        notes=[everything, controls],
        figures=[{"label": everything, "value": everything, "unit": everything}],
        recipe={"given": everything + "\nkey = \"" + everything, "resolved": everything,
                "values": [[everything, everything]]},
        provenance={"groups": [{"title": everything, "rows": [[everything, everything]]}]})


def edge_cases():
    labels = [f"latent {i}" for i in range(60)]
    ten = list(range(10))
    return document("edge", [section([
        series([]),
        series([("all gaps", [0, 1], [None, None])]),
        series([("one point", [3], [4])]),
        series([("constant", ten, [2] * 10)]),
        series([("not above 0", ten, [i - 5 for i in ten])], log_y=True, log_x=True),
        series([("far", [1, 2], [1e-12, 1e12])], log_y=True),
        series([("unsorted", [3, 1, 2], [1, 2, 3]), ("other x", [1.5, 2.5], [1, 2]), ("", [], [])]),
        {"type": "histogram", "edges": [], "parts": []},
        {"type": "histogram", "edges": [0, 1], "parts": [{"name": "one bin", "counts": [0]}]},
        {"type": "matrix", "row_labels": [], "column_labels": [], "cells": []},
        {"type": "matrix", "row_labels": labels, "column_labels": labels, "value_label": "cosine",
         "cells": [math.sin(i * j / 40) for i in range(60) for j in range(60)]},
        {"type": "matrix", "row_labels": ["a"], "column_labels": ["b", "c"], "cells": [2, None]},
        {"type": "scatter", "groups": []},
        {"type": "scatter", "log_x": True, "log_y": True,
         "groups": [{"name": "g", "x": [0, 1], "y": [1, 1], "labels": []}]},
        {"type": "scatter", "groups": [{"name": "many", "x": [math.sin(i) for i in range(900)],
                                        "y": [math.cos(i) for i in range(900)], "labels": []}]},
        {"type": "contexts", "groups": []},
        {"type": "contexts", "groups": [{"title": "silent", "note": "", "contexts": []}]},
        {"type": "table", "columns": [], "rows": []},
        {"type": "table", "columns": [{"name": "n"}], "rows": [[i / 7] for i in range(100)]},
        {"type": "text", "text": ""},
        {"type": "a later type"},
    ], [metric("tiny", 1.5e-9), metric("huge", 3.1e14), metric("zero", 0.0),
        metric("negative", -0.25), metric("missing", None, undefined="because")])])


RECIPE = """extends = "base.toml"

[sae.student]   # k = 5 of them
k = 5
[[odd."a # b"]]# noted
"""


def paper():
    """What needs room on paper: a table of many columns, one of many rows, folded latents; and
    scores whose best figures must not stand alone."""
    columns = [{"name": "SAE"}] + [{"name": f"a column number {c}"} for c in range(24)]
    context = {"tokens": ["In", " the", " beginning"], "strengths": [0, 1, 2], "where": "",
               "peak": 2}
    latents = [{"title": f"latent {n}", "note": "", "contexts": [context] * 9} for n in range(11)]
    recovery = section([
        {"type": "table", "title": "Wide", "columns": columns, "rows": [["a", *range(24)]]},
        {"type": "table", "title": "Long", "columns": [{"name": "n"}],
         "rows": [[n] for n in range(45)]},
        {"type": "contexts", "title": "Latents", "groups": latents}],
        [metric("mmcs", 0.4, "a", "higher"), metric("mmcs", 0.9, "b", "higher"),
         metric("f1", 0.31, "a", "higher"), metric("f1", 0.12, "b", "higher"),
         metric("l0", 5, "a", "neither"), metric("l0", 77, "b", "neither")], "Recovery")
    loss = section([], [metric("ce_increase", 0.5, "a"), metric("ce_increase", 0.7, "b")], "Loss")
    return document("paper", [recovery, loss], recipe={
        "given": RECIPE, "resolved": "[sae.student]\nk = 64\n", "extends": ["base.toml"],
        "overrides": ["sae.student.k=64", "name=paper"], "values": [["sae.student.k", "64"]]})


def crowded(count):
    x = list(range(500))
    lines = [(f"sae[k={2 ** n}]", x, [math.exp(-i / (80 + 20 * n)) + 0.1 for i in x])
             for n in range(8)]
    metrics = [metric(f"metric_{m}", m + n / 10, f"sae[k={2 ** n}]")
               for n in range(8) for m in range(12)]
    return document("crowded", [section([series(lines) for _ in range(count)], metrics)])
