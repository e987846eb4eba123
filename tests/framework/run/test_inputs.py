#!/usr/bin/env python3
"""Inputs, manifests and folders that are not as they were, or not to be had."""

import json
import os
import shutil
import signal

from bad_days import (BUSY, INPUT, RECIPE, BadDay, flip_bit, main, obey_permissions, write_rows)


class ChangedInputs(BadDay):
    def refused_and_untouched(self, code, *words):
        before = self.snapshot()
        self.refused(code, *words)
        self.assertEqual(self.snapshot(), before)

    def test_refused_when_resuming(self):
        self.stop_while_training()
        (self.folder / "rows.npy").rename(self.folder / "kept.npy")
        write_rows(self.folder / "rows.npy", seed=2)
        self.refused_and_untouched(INPUT, "started with other input files: rows.npy changed",
                                   "--fresh")
        (self.folder / "kept.npy").rename(self.folder / "rows.npy")
        self.saffron()
        self.assert_as_uninterrupted()

    def test_refused_when_done(self):
        self.saffron()
        world = self.folder / "world.json"
        kept = world.read_text()
        world.write_text(kept.replace("0.75, 0.25", "0.25, 0.75"))
        self.refused_and_untouched(INPUT, "started with other input files: world.json changed")
        world.write_text(kept)
        self.assertIn("done already", self.saffron())
        world.write_text(kept.replace("0.75, 0.25", "0.25, 0.75"))
        self.saffron("--fresh")
        self.assertEqual(self.manifest()["status"], "done")
        self.assertEqual(len(list((self.folder / "runs").glob("*.replaced-1/report.html"))), 1)

    def manifest_says(self, *path_and_value):
        """Changes one value of the manifest: what was recorded then is not what is there now."""
        file = self.run_folder() / "manifest.json"
        manifest = inner = json.loads(file.read_text())
        *path, key, value = path_and_value
        for step in path:
            inner = inner[step]
        self.assertIn(key, inner)
        inner[key] = value
        file.write_text(json.dumps(manifest))

    def test_another_build_of_saffron(self):
        self.stop_while_training()
        self.manifest_says("libraries", "libsaffron_host.so", "0" * 64)
        self.refused_and_untouched(INPUT, "started with another build of Saffron: "
                                   "libsaffron_host.so changed", "--fresh", "--trust-revisions")
        self.saffron("--trust-revisions")
        self.assert_as_uninterrupted()
        self.manifest_says("libraries", "libsaffron_host.so", "0" * 64)
        said = self.saffron()
        self.assertIn("done already", said)
        self.assertIn("It was made with another build of Saffron", said)

    def test_another_revision_of_a_plugin(self):
        self.stop_while_training()
        self.manifest_says("plugins", "org.saffron.topk", "sha256", "0" * 64)
        self.refused_and_untouched(INPUT,
                                   "started with other plugins: org.saffron.topk.sha256 changed")
        self.manifest_says("plugins", "org.saffron.topk", "revisions", "sae/topk", 7)
        self.refused(INPUT, "other plugins: org.saffron.topk.revisions.sae/topk 7 -> 1", "--fresh",
                     options=("--trust-revisions",))

    def test_outputs_that_were_changed_are_made_again(self):
        self.saffron()
        for name in ("results.json", "report.html", "metrics.jsonl", "saes/topk.safetensors"):
            (self.run_folder() / name).unlink()
            self.assertNotIn("done already", self.saffron())
            self.assert_as_uninterrupted()
        for name in ("results.json", "saes/relu.safetensors"):
            (self.run_folder() / name).write_text("")
            self.assertNotIn("done already", self.saffron())
            self.assert_as_uninterrupted()
        self.assertIn("done already", self.saffron())

    def test_seen_behind_an_old_time(self):
        """Of equal size and with its time set back: the remembered digest must not stand."""
        self.saffron()
        rows = self.folder / "rows.npy"
        times = os.stat(rows)
        flip_bit(rows, 5000)
        os.utime(rows, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.refused_and_untouched(INPUT, "rows.npy changed")

    def test_damaged_and_missing(self):
        self.stop_while_training()
        rows = self.folder / "rows.npy"
        content = rows.read_bytes()
        rows.write_bytes(content[:5000])
        self.refused_and_untouched(RECIPE, "source.rows", "rows.npy", "truncated or corrupt")
        rows.unlink()
        self.refused_and_untouched(RECIPE, "source.rows", "rows.npy")
        rows.write_bytes(content)
        self.saffron()
        self.assert_as_uninterrupted()

    def test_unreadable(self):
        self.saffron()
        (self.folder / "world.json").chmod(0)
        before = self.snapshot()
        self.refused(RECIPE, "world.grid", "cannot open 'world.json': Permission denied",
                     preexec_fn=obey_permissions)
        self.assertEqual(self.snapshot(), before)


class Wiring(BadDay):
    def test_a_regularizer_refuses_its_saes_before_anything_is_made(self):
        table = '{ use = "mutual_features", over = ["topk"], coef = 1.0 }'
        before = sorted(self.folder.rglob("*"))
        self.refused(RECIPE, "train.all.regularizer.pair", "`over` has one", "name at least two",
                     options=("--set", f"train.all.regularizer.pair={table}"))
        self.assertEqual(sorted(self.folder.rglob("*")), before)


class OtherEnvironments(BadDay):
    def test_a_cached_result_says_that_it_was_made_in_another(self):
        self.saffron()
        self.assertEqual(self.manifest()["cached"], [])
        for runs, threads, difference in (("same", 1, ""), ("other", 2, "threads 1 -> 2")):
            self.saffron("--runs", runs, "--set", f"threads={threads}")
            (run,) = (self.folder / runs).glob("bad_days-*")
            cached = json.loads((run / "manifest.json").read_text())["cached"]
            self.assertEqual([entry["difference"] for entry in cached], 4 * [difference])
            self.assertEqual(cached[-1]["result"], "compare.epic")
            notes = json.loads((run / "report.json").read_text())["notes"]
            self.assertEqual([note for note in notes if "another environment (threads" in note],
                             notes if difference else [])
            self.assertEqual(len(notes), 4 if difference else 0)


class Manifests(BadDay):
    def test_damaged(self):
        self.saffron()
        manifest = self.run_folder() / "manifest.json"
        whole = manifest.read_text()
        no_inputs = json.loads(whole)
        del no_inputs["inputs"]
        for content in ("", whole[:len(whole) // 2], "null", "{}", "[]", json.dumps(no_inputs)):
            with self.subTest(content=content[:40]):
                manifest.write_text(content)
                before = self.snapshot()
                self.refused(INPUT, "manifest.json", "the manifest is damaged: ", "--fresh")
                self.assertEqual(self.snapshot(), before)
        manifest.unlink()
        self.refused(INPUT, "there is no manifest.json", "--fresh")
        self.saffron("--fresh")
        self.assert_as_uninterrupted()


class Folders(BadDay):
    def test_runs_is_a_file(self):
        (self.folder / "runs").write_text("")
        self.refused(INPUT, "runs/bad_days-", "cannot create the folder: Not a directory", "--runs")

    def test_cache_is_a_file(self):
        (self.folder / "cache").write_text("")
        self.refused(INPUT, "cache: cannot create the folder: Not a directory", "--cache")

    def test_runs_is_read_only(self):
        (self.folder / "runs").mkdir(mode=0o555)
        self.refused(INPUT, "runs/bad_days-", "cannot create the folder: Permission denied",
                     "--runs", preexec_fn=obey_permissions)

    def test_a_run_is_read_only(self):
        self.saffron()
        os.chmod(self.run_folder(), 0o555)
        for path in self.run_folder().iterdir():
            path.chmod(0o555 if path.is_dir() else 0o444)
        self.refused(INPUT, ".lock: cannot open the lock: Permission denied",
                     preexec_fn=obey_permissions)
        self.refused(INPUT, "Permission denied", options=("--fresh",), preexec_fn=obey_permissions)
        os.chmod(self.run_folder(), 0o755)

    def test_cache_is_read_only(self):
        (self.folder / "cache").mkdir(mode=0o555)
        self.refused(INPUT, "cache/digests.json", "Permission denied", preexec_fn=obey_permissions)
        shutil.rmtree(self.folder / "runs")
        self.saffron("--cache", "", preexec_fn=obey_permissions)
        self.assert_as_uninterrupted()

    def test_in_other_hands(self):
        first = self.start()
        try:
            while not list(self.folder.glob("runs/*/metrics.jsonl")):
                self.assertIsNone(first.poll())
            first.send_signal(signal.SIGSTOP)
            for options in ((), ("--fresh",)):
                self.refused(BUSY, "runs/bad_days-", f"another process ({first.pid}) is working on",
                             "help: wait for it", options=options)
        finally:
            first.send_signal(signal.SIGCONT)
            _, errors = first.communicate()
        self.assertEqual(first.returncode, 0, errors)
        self.assert_as_uninterrupted()


main()
