"""The JSON Schema of recipes before other people's validators: jsonschema, and the engines of two
editors' TOML support, Taplo (Even Better TOML) and Tombi.

Recipes of this repository are valid. Of those in tests/fixtures/recipes/bad, each with a mistake of
its own, all are refused but what UNSEEN lists.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
FIXTURES = ROOT / "tests" / "fixtures" / "recipes"
BAD = sorted((FIXTURES / "bad").glob("*.toml"))

NAMES = "which names there are, and of what, is in the values of other tables"
GRID = "a grid's keys and values are those of other tables' parameters"
SETS = "what is wrong is on the command line"
FILES = "what is wrong is another file"
UNSEEN = {
    "check_across": "a rule across parameters is a function of the component",
    "cycle_itself": NAMES,
    "cycle_models": NAMES,
    "cycle_regularizer": NAMES,
    "cycle_training": NAMES,
    "extends_broken": FILES,
    "extends_folder": FILES,
    "extends_itself": FILES,
    "extends_loop": FILES,
    "extends_missing": FILES,
    "objective": "the objective is there; a parameter that it needs is not given, as a word cannot",
    "reference_member": NAMES,
    "reference_stream": NAMES,
    "reference_unknown": NAMES,
    "reference_world": NAMES,
    "reference_wrong_kind": NAMES,
    "set_forms": SETS,
    "set_number_too_large": SETS,
    "set_replaces_component": SETS,
    "set_values": SETS,
    "syntax_int_too_large": "integers have no size, neither there nor in these readers",
    "trained_twice": NAMES,
    "two_sources": NAMES,
    "vary_check": GRID,
    "vary_member_in_train": NAMES,
    "vary_seed_twice": GRID,
    "vary_too_large": GRID,
    "vary_unknown_parameter": GRID,
    "wide_line": NAMES,
}
# Where something is extended, the file may lack what the other one has.
UNSEEN_AS_WRITTEN = UNSEEN.keys() | {"error_in_base", "former_name_twice", "use_missing"}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def tool(name):
    return Path(sys.executable).with_name(name)


@pytest.fixture(scope="module")
def installed():
    """Of the plugins that were built."""
    return json.loads(output(BUILD / "bin" / "saffron", "schema"))


@pytest.fixture(scope="module")
def fake():
    """Of the components in memory that tests/fixtures/recipes use."""
    return json.loads(output(BUILD / "tests" / "fake_schema"))


def problems(schema, recipe):
    return [f"{'.'.join(map(str, e.path))}: {e.message[:200]}"
            for e in Draft7Validator(schema).iter_errors(recipe)]


def merged(below, above):
    out = dict(below)
    for key, value in above.items():
        tables = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if tables else value
    return out


def flattened(path):
    """The recipe with what it extends, as far as that can be read."""
    recipe = tomllib.loads(path.read_text("utf-8"))
    base = recipe.get("extends")
    reads = isinstance(base, str) and base in ("parts/base.toml", "parts/wrong.toml", "base.toml")
    if not reads:
        return recipe
    return merged(flattened(path.parent / base), {k: v for k, v in recipe.items() if k != "extends"})


def whole_recipes(page):
    """The recipes that a page shows from their first line on."""
    shown = re.findall(r"^```toml\n(.*?)^```$", (ROOT / page).read_text("utf-8"), re.S | re.M)
    return [text for text in shown if re.search(r"^(saffron|extends)\s*=", text, re.M)]


def good_recipes():
    folders = ("recipes", "tests/framework/run", "tests/fixtures/out_of_tree")
    files = [path for folder in folders for path in sorted((ROOT / folder).glob("*.toml"))]
    out = [pytest.param(path.read_text("utf-8"), id=str(path.relative_to(ROOT))) for path in files]
    for page in ("README.md", "docs/recipes.md"):
        out += [pytest.param(text, id=f"{page}-{i}") for i, text in enumerate(whole_recipes(page))]
    return out


def test_schemas_are_schemas(installed, fake):
    for schema in (installed, fake):
        assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
        Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("text", good_recipes())
def test_good_recipes(installed, text):
    assert problems(installed, tomllib.loads(text)) == []


def test_the_recipe_with_everything(fake):
    assert problems(fake, tomllib.loads((FIXTURES / "good.toml").read_text("utf-8"))) == []


def test_snippets_of_the_reference_pages(installed):
    """What `inspect` and docs/reference say to begin with is accepted, names aside."""
    count = 0
    for page in sorted((ROOT / "docs" / "reference").glob("*.md")):
        for text in re.findall(r"^```toml\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M):
            if text.startswith("{"):
                continue  # goes into another table
            start = "" if text.startswith("saffron") else "saffron = 1\n"
            if ".regularizer." in text:
                start += '[train.NODE]\nsaes = ["SAE"]\nrows = 1\n'
            assert problems(installed, tomllib.loads(start + text)) == [], f"{page.name}:\n{text}"
            count += 1
    assert count > 15


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_recipes(fake, path):
    try:
        recipe = flattened(path)
    except tomllib.TOMLDecodeError:
        assert path.stem.startswith("syntax_")
        return
    found = problems(fake, recipe)
    assert bool(found) != (path.stem in UNSEEN), found


def test_what_is_not_seen_is_there():
    assert UNSEEN.keys() <= {path.stem for path in BAD}


def test_names_and_types_in_a_file_that_extends_another(fake):
    """Its tables may have no `use`: they are to fit one component of the kind."""
    def found(**sae):
        return problems(fake, {"extends": "base.toml", "sae": {"student": sae}})
    assert found(k=8) == [] and found(seed=3) == [] and found(use="relu", l1=0.1) == []
    assert found(k="8") and found(kk=8) and found(k=8, l1=0.1) and found(use="relu", k=8)
    assert found(seed=-1)


def test_a_grid_gives_what_is_required(fake):
    recipe = tomllib.loads("""
        saffron = 1
        source.acts.use = "planted"
        sae.student = { use = "relu", reads = ["acts"] }
        train.all = { saes = ["student"], rows = 10, regularizer.r = { use = "hoyer" } }
        """)
    assert len(problems(fake, recipe)) == 2
    recipe["train"]["all"]["vary"] = {"student.width": [8, 16]}
    assert problems(fake, recipe) == ["train.all.regularizer.r: 'coef' is a required property"]
    recipe["train"]["all"]["vary"] = {"regularizer.r.coef": [1, 2]}
    assert problems(fake, recipe) == ["sae.student: 'width' is a required property"]
    recipe["train"]["all"]["vary"] = {"regularizer.r.coef": [1, 2], "student.width": [8, 16]}
    assert problems(fake, recipe) == []


@pytest.fixture(scope="module")
def files(tmp_path_factory, installed, fake):
    folder = tmp_path_factory.mktemp("schemas")
    for name, schema in (("installed", installed), ("fake", fake)):
        (folder / f"{name}.schema.json").write_text(json.dumps(schema))
    return folder


def taplo(folder, schema, path):
    """Whether Taplo accepts a file."""
    done = subprocess.run([tool("taplo"), "lint", "--no-auto-config", "--schema",
                           (folder / f"{schema}.schema.json").as_uri(), path],
                          capture_output=True, text=True, timeout=60)
    assert "failed to load schema" not in done.stderr
    return done.returncode == 0, done.stderr


def test_taplo_accepts_good_recipes(files):
    for parameter in good_recipes():
        (files / "good.toml").write_text(parameter.values[0])
        accepted, words = taplo(files, "installed", files / "good.toml")
        assert accepted, f"{parameter.id}\n{words}"
    accepted, words = taplo(files, "fake", FIXTURES / "good.toml")
    assert accepted, words


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_taplo_refuses_bad_recipes(files, path):
    accepted, words = taplo(files, "fake", path)
    assert accepted == (path.stem in UNSEEN_AS_WRITTEN), words


def test_taplo_takes_the_comment(files):
    recipe = files / "first.toml"
    text = '#:schema ./installed.schema.json\nsaffron = 1\n[sae.student]\nuse = "topk"\nreads = ["x"]\n'
    verdicts = []
    for line in ("k = 8", 'k = "8"', "kk = 8"):
        recipe.write_text(f"{text}{line}\n")
        verdicts.append(subprocess.run([tool("taplo"), "lint", "--no-auto-config", recipe],
                                       capture_output=True, timeout=60).returncode)
    assert verdicts == [0, 1, 1]


def test_tombi_accepts_good_recipes(files):
    recipe = files / "for_tombi.toml"
    for parameter in good_recipes():
        recipe.write_text(f"#:schema ./installed.schema.json\n{parameter.values[0]}")
        done = subprocess.run([tool("tombi"), "lint", "--offline", recipe],
                              capture_output=True, text=True, timeout=60)
        words = f"{parameter.id}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, words
        assert "in strict mode" not in words  # keys that a part of the schema says nothing of
