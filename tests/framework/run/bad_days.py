"""What the tests of bad days share: a small run in a folder of its own, stopped or damaged at will.

usage of each test: TEST.py SAFFRON [unittest's arguments]; bad_days.toml lies beside it.
"""

import array
import json
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 240  # seconds; sanitizer builds on a busy machine are slow

# Exit codes of docs/commands.md.
DONE, INPUT, BUSY, STOPPED, RECIPE = 0, 5, 6, 130, 3

WORLD = {"gamma": 0.9, "mu0": [0.75, 0.25],
         "tau": [[[0.5, 0.5], [1, 0]], [[0, 1], [0.25, 0.75]]],
         "rewards": {"good": [[[0, 1], [2, 3]], [[0, 0], [-1, 0.5]]],
                     "bad": [[[0, 0], [0, 0]], [[1, 1], [2, 1]]]}}

STREAMS = {"in0": 12, "in1": 8, "out0": 10, "out1": 6}  # widths


def main():
    """Takes the program from the command line and runs the tests of the calling file."""
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} SAFFRON [unittest's arguments]")
    BadDay.program = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(module="__main__", verbosity=2)


def write_rows(path, seed=1, rows=4096, width=32):
    draw = random.Random(seed)
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    values = array.array("f", (draw.uniform(-1, 1) for _ in range(rows * width)))
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode()
                     + values.tobytes())


def flip_bit(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


class BadDay(unittest.TestCase):
    program = ""
    recipe = "bad_days.toml"
    base = inputs = straight = None

    @staticmethod
    def prepare():
        """Once for all tests of a file: the inputs, and an uninterrupted run to compare with."""
        BadDay.base = pathlib.Path(tempfile.mkdtemp(prefix="saffron-bad-day-"))
        unittest.addModuleCleanup(shutil.rmtree, BadDay.base, ignore_errors=True)
        BadDay.inputs = BadDay.base / "inputs"
        BadDay.inputs.mkdir()
        shutil.copy(HERE / BadDay.recipe, BadDay.inputs / "recipe.toml")
        write_rows(BadDay.inputs / "rows.npy")
        if '"streams"' in (HERE / BadDay.recipe).read_text():
            (BadDay.inputs / "streams").mkdir()
            for seed, (name, width) in enumerate(STREAMS.items()):
                write_rows(BadDay.inputs / "streams" / f"{name}.npy", seed + 2, width=width)
        (BadDay.inputs / "world.json").write_text(json.dumps(WORLD))
        BadDay.straight = BadDay.base / "straight"
        shutil.copytree(BadDay.inputs, BadDay.straight)
        done = subprocess.run([BadDay.program, "run", "--quiet", "recipe.toml"],
                              cwd=BadDay.straight, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode != 0:
            raise RuntimeError(f"the uninterrupted run failed:\n{done.stderr}")

    def setUp(self):
        if BadDay.base is None:
            self.prepare()
        self.folder = self.base / self.id().rsplit(".", 1)[-1]
        shutil.copytree(self.inputs, self.folder)

    # ---- Running ----

    def start(self, *options, stdout=subprocess.PIPE, **popen):
        return subprocess.Popen([self.program, "run", "--quiet", "recipe.toml", *options],
                                cwd=self.folder, stdout=stdout, stderr=subprocess.PIPE, text=True,
                                **popen)

    def saffron(self, *options, code=DONE, **popen):
        """Runs to the end, checks the exit code, returns what went to standard error."""
        process = self.start(*options, **popen)
        _, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, code, errors)
        return errors

    def refused(self, code, *words, options=(), **popen):
        """Runs, and checks that it is refused in one error with all of `words` in it."""
        errors = self.saffron(*options, code=code, **popen)
        for word in words:
            self.assertIn(word, errors)
        self.assertEqual(errors.count("error: "), 1, errors)
        return errors

    def stop_while_training(self, signal_number=signal.SIGKILL, checkpoints=2, options=()):
        """Starts a run and stops it when it has written some checkpoints; returns its end."""
        process = self.start(*options)
        end = time.monotonic() + PATIENCE
        while len(list(self.folder.glob("runs/*/checkpoints/all-*.safetensors"))) < checkpoints:
            self.assertIsNone(process.poll(), "the run ended before it could be stopped")
            self.assertLess(time.monotonic(), end, "the run writes no checkpoints")
            time.sleep(0.001)
        process.send_signal(signal_number)
        _, errors = process.communicate(timeout=PATIENCE)
        self.assertNotEqual(process.returncode, 0, "the run was done before it was stopped")
        return process.returncode, errors

    # ---- Looking ----

    def run_folder(self, folder=None):
        found = [path for path in ((folder or self.folder) / "runs").iterdir()
                 if path.is_dir() and ".replaced" not in path.name]
        self.assertEqual(len(found), 1)
        return found[0]

    def manifest(self):
        return json.loads((self.run_folder() / "manifest.json").read_text())

    def checkpoints(self):
        return sorted((self.run_folder() / "checkpoints").glob("all-*.safetensors"),
                      key=lambda path: int(path.stem.split("-")[1]))

    def snapshot(self):
        """Everything in the run's folder but the lock, which each process signs."""
        return {str(path.relative_to(self.run_folder())): path.read_bytes()
                for path in self.run_folder().rglob("*") if path.is_file() and path.name != ".lock"}

    def assert_as_uninterrupted(self):
        """Weights, scores and training curves (timings and the order of the SAEs' lines aside) are
        those of the straight run."""
        mine, straight = self.run_folder(), self.run_folder(self.straight)
        names = sorted(path.name for path in (straight / "saes").iterdir())
        self.assertEqual(sorted(path.name for path in (mine / "saes").iterdir()), names)
        for name in names:
            self.assertEqual((mine / "saes" / name).read_bytes(),
                             (straight / "saes" / name).read_bytes(), name)
        self.assertEqual(json.loads((mine / "results.json").read_text()),
                         json.loads((straight / "results.json").read_text()))
        self.assertEqual(self.records(mine), self.records(straight))
        self.assertEqual(self.manifest()["status"], "done")

    @staticmethod
    def records(run):
        out = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for record in out:
            del record["time"]
        return sorted(out, key=lambda record: (record["sae"], record["step"]))

    def assert_nothing_half_written(self):
        """Each file under its final name can be read whole; temporary ones are gone."""
        for path in (path for path in self.folder.rglob("*") if path.is_file()):
            self.assertNotIn(".tmp-", path.name)
            self.assertNotIn(".partial-", str(path))
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".safetensors":
                content = path.read_bytes()
                head = 8 + struct.unpack("<Q", content[:8])[0]
                ends = [tensor["data_offsets"][1] for name, tensor
                        in json.loads(content[8:head]).items() if name != "__metadata__"]
                self.assertEqual(len(content), head + max(ends), path)


def limit_files(size):
    """For preexec_fn: no file of the child may grow beyond `size` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def obey_permissions():
    """For preexec_fn: root, too, may read and write only what the modes of files allow."""
    import ctypes
    bounding_set_drop, dac_override, dac_read_search = 24, 1, 2  # prctl(2), capabilities(7)
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (dac_override, dac_read_search):
        libc.prctl(bounding_set_drop, capability, 0, 0, 0)
