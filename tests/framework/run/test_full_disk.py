#!/usr/bin/env python3
"""No room: one error that names the file and the cause, nothing half-written, and the run resumes
to the last bit once there is room.

A limit on the size of files (as `ulimit -f` sets) stands for the full disk everywhere; where mount
namespaces are allowed, a tmpfs of the size of the run makes a disk that really fills up.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

from bad_days import INPUT, BadDay, limit_files, main


class SmallFiles(BadDay):
    def fails_and_resumes(self, size, *words, options=()):
        errors = self.refused(INPUT, *words, options=options, preexec_fn=limit_files(size))
        self.assertIn("File too large", errors)
        self.assert_nothing_half_written()
        self.saffron(*options)
        self.assert_as_uninterrupted()

    def test_checkpoint(self):
        self.fails_and_resumes(100_000, "cannot write 'runs/bad_days-", "checkpoints/all-50.safet")

    def test_metrics(self):
        self.fails_and_resumes(9_000, "runs/bad_days-", "metrics.jsonl: cannot append",
                               options=("--set", "train.all.checkpoint_every=0"))

    def test_result_in_the_cache(self):
        options = ("--set", "train.all.checkpoint_every=0")
        self.fails_and_resumes(30_000, "cannot write 'cache/train/", "topk.safetensors",
                               options=options)

    def test_manifest(self):
        self.fails_and_resumes(1_000, "cannot write '")


class TinyDisk(BadDay):
    """In a mount namespace of its own (see below), which takes its mounts with it."""

    def mount(self, size, remount=False):
        options = f"{'remount,' if remount else ''}size={size}k"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tiny", self.folder], check=True)

    def fill_up(self, size, *options):
        """Runs on a disk of `size` KiB, and again when it has grown; returns the first's error."""
        self.mount(size)
        try:
            shutil.copytree(self.inputs, self.folder, dirs_exist_ok=True)
            errors = self.refused(INPUT, "No space left on device", options=options)
            self.assert_nothing_half_written()
            self.mount(64 * 1024, remount=True)
            self.saffron(*options)
            self.assert_as_uninterrupted()
        finally:
            subprocess.run(["umount", self.folder], check=True)
        return errors

    def test_checkpoints(self):
        self.assertIn("checkpoints/all-50.safetensors", self.fill_up(600))
        self.assertIn("checkpoints/all-150.safetensors", self.fill_up(960))

    def test_wherever_it_fills_up(self):
        """From the list of digests to the report: each file in turn finds no room."""
        files = set()
        for size in (528, 540, 552, 576, 624, 660, 690, 756, 780, 810, 860):
            with self.subTest(size=size):
                errors = self.fill_up(size, "--set", "train.all.checkpoint_every=0")
                files.add(re.search(r"/([^/ ]+?)(?:'|: cannot)", errors)[1])
        self.assertGreater(len(files), 6, files)


def in_own_namespace():
    """Starts this test anew where it may mount; False where the system does not let it."""
    way = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    probe = "mount -t tmpfs -o size=64k probe /mnt"
    if shutil.which("unshare") is None or subprocess.run([*way, "sh", "-c", probe],
                                                         capture_output=True).returncode != 0:
        return False
    os.environ["SAFFRON_TEST_NAMESPACE"] = "1"
    os.execvp(way[0], [*way, sys.executable, str(pathlib.Path(__file__).resolve()), *sys.argv[1:]])


if "SAFFRON_TEST_NAMESPACE" not in os.environ and not in_own_namespace():
    print("no mount namespace to be had: the tiny disk is left out")
    del TinyDisk
main()
