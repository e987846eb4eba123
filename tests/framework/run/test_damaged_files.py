#!/usr/bin/env python3
"""Checkpoints, cached results and metrics that a crash or a bad disk has damaged."""

import shutil

from bad_days import BadDay, flip_bit, main


def cut(path, by=100):
    path.write_bytes(path.read_bytes()[:-by])


class Checkpoints(BadDay):
    def resumed_after(self, damage):
        """Damages the checkpoints that a killed run has left, resumes, returns the messages."""
        self.stop_while_training()
        damage(self.checkpoints())
        errors = self.saffron()
        self.assert_as_uninterrupted()
        return errors

    def test_the_newest_is_truncated(self):
        errors = self.resumed_after(lambda files: cut(files[-1]))
        self.assertIn("passing over a damaged checkpoint: ", errors)
        self.assertNotIn("starting it over", errors)

    def test_the_newest_is_empty(self):
        self.assertIn("passing over", self.resumed_after(lambda files: files[-1].write_bytes(b"")))

    def test_the_newest_has_a_flipped_bit(self):
        """In a tensor's data, where the format sees nothing."""
        errors = self.resumed_after(lambda files: flip_bit(files[-1], -1000))
        self.assertIn("another SHA-256 than when it was written", errors)

    def test_a_foreign_file_in_its_place(self):
        def replace(files):
            shutil.copy(next((self.run_folder(self.straight) / "saes").iterdir()), files[-1])
        self.assertIn("is no Saffron state", self.resumed_after(replace))

    def test_all_are_damaged(self):
        def damage(files):
            for file in files:
                cut(file)
        errors = self.resumed_after(damage)
        self.assertIn("no checkpoint of 'all' is whole: starting it over", errors)

    def test_all_are_gone(self):
        def remove(files):
            for file in files:
                file.unlink()
        self.assertEqual(self.resumed_after(remove), "")


class Metrics(BadDay):
    def test_garbage_after_a_kill(self):
        self.stop_while_training()
        with open(self.run_folder() / "metrics.jsonl", "ab") as file:
            file.write(b'{"node":"train.all","sae":"to')
        self.saffron()
        self.assert_as_uninterrupted()

    def test_zeros_after_a_power_cut(self):
        self.stop_while_training()
        with open(self.run_folder() / "metrics.jsonl", "ab") as file:
            file.write(bytes(4096))
        self.saffron("--cache", "")
        self.assert_as_uninterrupted()

    def test_shorter_than_the_checkpoint_says(self):
        self.stop_while_training()
        (self.run_folder() / "metrics.jsonl").write_bytes(b"")
        self.refused(5, "metrics.jsonl: has 0 ", "its checkpoint speaks of", "--fresh")
        self.saffron("--fresh")
        self.assert_as_uninterrupted()


class CachedResults(BadDay):
    def damaged(self, kind, name, damage):
        """Damages one file of each cached result of a kind, runs anew, returns the messages."""
        shutil.copytree(self.straight / "cache", self.folder / "cache", dirs_exist_ok=True)
        files = [folder / name for folder in (self.folder / "cache" / kind).iterdir()
                 if (folder / name).exists()]
        self.assertTrue(files)
        for file in files:
            damage(file)
        errors = self.saffron()
        self.assert_as_uninterrupted()
        self.assertIn("passing over a damaged result of ", errors)
        self.assertIn(str(files[0].relative_to(self.folder)), errors)
        # The damaged results were replaced: the same again takes all from the cache.
        shutil.rmtree(self.folder / "runs")
        self.assertEqual(self.saffron(), "")
        self.assert_as_uninterrupted()

    def test_weights_truncated(self):
        self.damaged("train", "topk.safetensors", cut)

    def test_weights_with_a_flipped_bit(self):
        self.damaged("train", "topk.safetensors", lambda file: flip_bit(file, -1000))

    def test_weights_gone(self):
        self.damaged("train", "relu.safetensors", lambda file: file.unlink())

    def test_metrics_without_their_last_byte(self):
        self.damaged("train", "metrics.jsonl", lambda file: cut(file, 1))

    def test_score_truncated(self):
        self.damaged("score", "report.json", cut)

    def test_score_with_another_digit(self):
        self.damaged("score", "report.json", lambda file: file.write_text(
            file.read_text().replace("0.", "1.", 1)))

    def test_comparison_empty(self):
        self.damaged("compare", "result.json", lambda file: file.write_text(""))

    def test_list_of_files_damaged(self):
        self.damaged("train", "files.json", cut)

    def test_index_and_digests_damaged(self):
        """Which only explain and save time."""
        shutil.copytree(self.straight / "cache", self.folder / "cache")
        for file in [*self.folder.glob("cache/*/latest/*"), self.folder / "cache" / "digests.json"]:
            file.write_text("{")
        shutil.rmtree(next(path for path in (self.folder / "cache" / "score").iterdir()
                           if path.name != "latest"))
        self.assertIn("starting the list of digests anew", self.saffron())
        self.assert_as_uninterrupted()


main()
