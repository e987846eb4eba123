"""SAEs of one shape trained together, on one stream of rows, beside the same SAEs trained one run each.

Each round times one run of all members and one run of every member alone, in turns, start-up included.
The ratio is the median over rounds of (runs alone / together). `--members` are values of k.

  python3 benchmarks/stack.py [--source synth|model] [--members 8,16,24,32] [--rows 65536] [--rounds 3]

`model` needs the files that `make quickstart` takes; run it where the recipe's paths lead.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))

SOURCES = {
    "synth": """
[source.rows]
use = "synth_sae_bench"
""",
    "model": """
[model.lm]
use  = "llama"
path = "models/SmolLM2-135M-Instruct.Q4_1.gguf"

[dataset.text]
use       = "text"
files     = ["data/*.txt"]
tokenizer = "lm"
document  = "line"
context   = 128

[source.rows]
use     = "model_activations"
model   = "lm"
dataset = "text"
sites   = ["layers.10.resid_post"]
""",
}

RECIPE = """
saffron = 1
name    = "stack"
{source}
[sae.member]
use        = "topk"
reads      = ["rows"]
width      = 4096
k          = 8

[train.all]
saes  = ["member"]
rows  = {rows}
batch = 1024
vary  = {{ "member.k" = {members} }}
"""


def seconds(members, arguments, folder):
    recipe = folder / "stack.toml"
    source = SOURCES[arguments.source]
    recipe.write_text(RECIPE.format(source=source, rows=arguments.rows, members=members))
    command = [BUILD / "bin" / "saffron", "run", recipe, "--runs", folder / "runs", "--cache", ""]
    command += ["--fresh", "--quiet", "--set", f"threads={arguments.threads}"]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", choices=SOURCES, default="synth")
    parser.add_argument("--members", default="8,16,24,32")
    parser.add_argument("--rows", type=int, default=65536)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    members = [int(k) for k in arguments.members.split(",")]
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(arguments.rounds):
            together = seconds(members, arguments, folder)
            alone = sum(seconds([k], arguments, folder) for k in members)
            ratios.append(alone / together)
            print(f"together {together:.1f} s, {len(members)} runs {alone:.1f} s", flush=True)
    print(f"{len(members)} SAEs on {arguments.source}: {statistics.median(ratios):.2f} times as fast")
    return 0 if statistics.median(ratios) > 1 else 1


if __name__ == "__main__":
    sys.exit(main())
