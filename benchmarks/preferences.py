"""Everything that is said of reward models by their scores: seconds and peak memory, reading the file included.

Draws a table of scores, then runs all four comparators of scores on it at their defaults (1000 resamples, all pairs of
models), each alone and all in one run, in a process of its own each.

  python3 benchmarks/preferences.py [--prompts 100000] [--responses 8] [--models 20] [--threads 2] [--format csv|npz]

Needs NumPy.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
COMPARATORS = {"distance": "", "regret": "betas = [1]", "agreement": "", "accuracy": ""}


def table(prompts, responses, models):
    rng = numpy.random.default_rng(0)
    shape = (prompts, responses)
    quality = rng.normal(size=shape)
    columns = {"prompt_id": numpy.repeat(numpy.arange(prompts), responses),
               "response_id": numpy.tile(numpy.arange(responses), prompts)}
    for model in range(models):
        noise, offset = rng.normal(size=shape), rng.normal(size=(prompts, 1))
        columns[f"model_{model}"] = (quality + (0.2 + 0.05 * model) * noise + 5 * offset).round(3).ravel()
    columns["label"] = (quality == quality.max(1, keepdims=True)).astype(numpy.int64).ravel()
    return columns


def recipe(path, names):
    nodes = "".join(f'[compare.{name}]\nuse = "preference_{name}"\nworld = "scores"\n{COMPARATORS[name]}\n'
                    for name in names)
    return f'saffron = 1\nname = "bench"\nseed = 1\n[world.scores]\nuse = "preferences"\npath = "{path}"\n{nodes}'


def run(folder, path, names, threads):
    """Wall seconds, processor seconds and peak MB of one run."""
    file = folder / "bench.toml"
    file.write_text(recipe(path, names))
    command = [BUILD / "bin" / "saffron", "run", "--quiet", "--fresh", file, "--cache", "", "--runs", folder / "runs",
               "--set", f"threads={threads}"]
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    begin = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"saffron run ended with {status}")
    return time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=100_000)
    parser.add_argument("--responses", type=int, default=8)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--format", choices=["csv", "npz"], default="csv")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / f"scores.{arguments.format}"
        columns = table(arguments.prompts, arguments.responses, arguments.models)
        if arguments.format == "npz":
            numpy.savez(path, **columns)
        else:
            formats = ["%d" if values.dtype.kind == "i" else "%.3f" for values in columns.values()]
            numpy.savetxt(path, numpy.column_stack(list(columns.values())), fmt=formats, delimiter=",",
                          header=",".join(columns), comments="")
        print(f"{arguments.prompts} prompts x {arguments.responses} responses x {arguments.models} models, "
              f"{path.stat().st_size / 1e6:.0f} MB of {arguments.format}, {arguments.threads} threads")
        print("| | seconds | processor seconds | peak MB |\n| --- | ---: | ---: | ---: |")
        for what, names in [*((name, [name]) for name in COMPARATORS), ("all four", list(COMPARATORS))]:
            wall, used, memory = run(folder, path, names, arguments.threads)
            print(f"| {what} | {wall:.1f} | {used:.1f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
