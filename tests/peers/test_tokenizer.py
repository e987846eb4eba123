"""Our ids against those of Hugging Face's `tokenizers`, on more than 1 MB of text."""

import json
import os
import pydoc_data.topics
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fixtures" / "tokenizer"))
import reference  # noqa: E402

BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
MODEL = ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def long_text(special):
    """Prose and code, every character, and the corners of the pre-tokenizers; 1.9 MB."""
    prose = "".join(pydoc_data.topics.topics.values())[:400_000]
    library = Path(textwrap.__file__).parent
    code = "".join(
        (library / name).read_text("utf-8")
        for name in ("argparse.py", "textwrap.py", "inspect.py", "enum.py", "tarfile.py")
    )
    tagged = "".join(f"{tag} text {tag}{tag}\n  {tag}" for tag in special)
    hard = reference.hard_text(200_000)
    every = reference.every_character()
    return "\n".join([prose, code, tagged, hard, every, "end of text  \n \t"])


@pytest.fixture(scope="module")
def smollm():
    return reference.read_gguf(MODEL)


@pytest.fixture(scope="module")
def text_file(smollm, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "text.txt"
    path.write_bytes(long_text(smollm[2]).encode())
    assert path.stat().st_size > 1_000_000
    return path


def our_ids(model, text_file, special):
    command = [
        BUILD / "bin" / "saffron_tokenize",
        *(["--special"] if special else []),
        model,
        text_file,
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [int(line) for line in printed.splitlines()]


def assert_equal_ids(tokenizer, model, text_file, special):
    tokenizer.encode_special_tokens = not special
    text = text_file.read_bytes().decode()
    wanted = tokenizer.encode(text, add_special_tokens=False)
    ours = our_ids(model, text_file, special)
    if ours == wanted.ids:
        return
    pairs = list(zip(ours, wanted.ids))
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs) - 1)
    begin, end = wanted.offsets[max(at - 3, 0)][0], wanted.offsets[at][1]
    pytest.fail(
        f"{len(ours)} ids against {len(wanted.ids)}; the first difference is at {at}, "
        f"{ours[at]} against {wanted.ids[at]}, in {text[begin : end + 10]!a}"
    )


@pytest.mark.parametrize("special", [False, True])
def test_smollm_from_gguf(smollm, text_file, special):
    assert_equal_ids(reference.make(*smollm), MODEL, text_file, special)


@pytest.mark.parametrize("legacy_merges", [False, True])
@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("pre_tokenizer", reference.PRE_TOKENIZERS)
def test_huggingface_folder(smollm, text_file, tmp_path, pre_tokenizer, special, legacy_merges):
    tokens, merges, names, _ = smollm
    tokenizer = reference.make(tokens, merges, names, pre_tokenizer)
    save(tokenizer, tmp_path, legacy_merges)
    assert_equal_ids(tokenizer, tmp_path, text_file, special)


def test_unknown_token_and_ignored_merges(smollm, text_file, tmp_path):
    tokens, merges, names, _ = smollm
    options = {"unk_token": tokens[0], "ignore_merges": True}
    tokenizer = reference.make(tokens, merges[:2000], names, "llama-bpe", **options)
    save(tokenizer, tmp_path, False)
    assert_equal_ids(tokenizer, tmp_path, text_file, True)


def test_added_tokens_that_take_blanks(smollm, text_file, tmp_path):
    tokens, merges, names, _ = smollm
    tokenizer = reference.make(tokens, merges, names, "gpt-2")
    tokenizer.add_tokens(
        [
            reference.AddedToken("def ", lstrip=True),
            reference.AddedToken("self", rstrip=True, normalized=False),
            reference.AddedToken("return", lstrip=True, rstrip=True, normalized=False),
            reference.AddedToken("    "),
            reference.AddedToken("  "),
        ]
    )
    save(tokenizer, tmp_path, False)
    assert_equal_ids(tokenizer, tmp_path, text_file, True)
    assert_equal_ids(tokenizer, tmp_path, text_file, False)


def save(tokenizer, folder, legacy_merges):
    document = json.loads(tokenizer.to_str())
    if legacy_merges:
        merges = document["model"]["merges"]
        document["model"]["merges"] = [" ".join(pair) for pair in merges]
    (folder / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
