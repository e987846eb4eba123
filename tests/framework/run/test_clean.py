#!/usr/bin/env python3
"""What `saffron clean` takes for Saffron's own, and that it leaves everything else alone."""

import os
import shutil
import subprocess

from bad_days import DONE, PATIENCE, BadDay, main

KEY = "0123456789abcdef" * 4


class Clean(BadDay):
    def setUp(self):
        super().setUp()
        for name in ("runs", "cache"):
            shutil.copytree(self.straight / name, self.folder / name)

    def clean(self, *options):
        done = subprocess.run([self.program, "clean", *options], cwd=self.folder, text=True,
                              capture_output=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stderr), (DONE, ""), done.stdout)
        return done.stdout

    def make(self, *paths):
        """Files, each with the folders above it."""
        for path in paths:
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("a word\n")

    def everything(self):
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))

    def cached(self):
        return sorted(path.parent for path in self.folder.glob("cache/*/*/key.json"))

    def removed_by(self, *options):
        """The paths that --yes removes, which must be those that were listed without it."""
        before = self.everything()
        listing = self.clean(*options)
        self.assertEqual(self.everything(), before, "removed without --yes")
        removing = self.clean(*options, "--yes")
        after = self.everything()
        self.assertLessEqual(set(after), set(before))
        gone = sorted(set(before) - set(after))
        tops = [path for path in gone if not any(path.startswith(f"{top}/") for top in gone)]
        lines = [line.split()[-1] for line in listing.splitlines() if " MB  " in line]
        self.assertEqual(lines, [line.split()[-1] for line in removing.splitlines()
                                 if " MB  " in line])
        self.assertEqual(sorted(os.path.normpath(line) for line in lines), tops)
        if tops:
            count = f"{len(tops)} item{'s' * (len(tops) > 1)}, "
            self.assertIn(f"would remove {count}", listing)
            self.assertIn("; --yes removes them", listing)
            self.assertIn(f"removed {count}", removing)
        else:
            self.assertIn("nothing to remove", listing)
        return tops

    def test_of_a_finished_run_nothing(self):
        self.assertEqual(self.clean("--yes"), "nothing to remove\n")
        self.assertIn("done already", self.saffron())

    def test_replaced_runs(self):
        run = self.run_folder()
        self.saffron("--fresh")
        self.saffron("--fresh")
        self.assertEqual(self.removed_by(), [f"runs/{run.name}.replaced-1",
                                             f"runs/{run.name}.replaced-2"])
        self.assert_as_uninterrupted()

    def test_what_killed_processes_left(self):
        partial = f"cache/train/{KEY}.partial-4711"
        index = "cache/score/latest/.0123456789abcdef.json.tmp-4711-0"
        self.make(f"{partial}/topk.safetensors", index, "cache/.digests.json.tmp-4711-3")
        self.assertEqual(self.removed_by(), sorted(["cache/.digests.json.tmp-4711-3", index,
                                                    partial]))

    def test_cached_results(self):
        entries = [str(path.relative_to(self.folder)) for path in self.cached()]
        self.assertEqual(len(entries), 4)
        self.assertEqual(self.removed_by("--cached"), entries)
        shutil.rmtree(self.folder / "runs")
        self.saffron()
        self.assert_as_uninterrupted()
        self.assertEqual(self.manifest()["cached"], [])

    def test_what_is_not_saffrons_stays(self):
        self.make("cache/foo/y", "cache/train/precious/x", "cache/train/notes.txt",
                  f"cache/train/{KEY}/no_key_here", f"cache/train/{KEY[1:]}/key.json",
                  f"cache/train/{KEY.upper()}/key.json", f"cache/foo/{KEY}/key.json",
                  f"cache/train/{KEY}.partial-mine/x", "cache/train/photos.partial-1/x",
                  f"cache/score/{KEY}.partial-2",
                  "cache/.notes.json.tmp-1-1", "cache/train/latest/.mine.json.tmp-1-1",
                  "runs/old.replaced-1/manifest.json", "runs/a-0123456789.replaced-1/notes",
                  "runs/a-0123456789.replaced-b/manifest.json",
                  "runs/a-012345678.replaced-1/manifest.json", "runs/b-0123456789.replaced-1")
        (self.folder / "elsewhere").mkdir()
        self.make("elsewhere/key.json")
        (self.folder / "cache" / "compare" / KEY).symlink_to(self.folder / "elsewhere")
        entries = [str(path.relative_to(self.folder)) for path in self.cached()
                   if (path / "files.json").exists()]
        self.assertEqual(self.removed_by("--cached"), entries)

    def test_folders_of_others(self):
        self.make("nc/foo/y", "nc/train/precious/y")
        self.assertEqual(self.removed_by("--cache", "nc", "--runs", "nc", "--cached"), [])
        self.assertIn("nc: nothing of Saffron's is here\n",
                      self.clean("--cache", "nc", "--cached", "--yes"))
        self.assertEqual(self.removed_by("--cache", ".", "--runs", ".", "--cached"), [])

    def test_folders_that_are_none(self):
        self.make("file")
        self.assertEqual(self.clean("--runs", "absent", "--cache", "file", "--cached", "--yes"),
                         "absent: no such folder\nfile: is not a folder\nnothing to remove\n")


main()
