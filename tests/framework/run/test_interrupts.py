#!/usr/bin/env python3
"""Ctrl-C and SIGTERM: a checkpoint, a way to go on, exit code 130; the second ends at once."""

import signal
import time

from bad_days import STOPPED, BadDay, main


class Interrupts(BadDay):
    def stopped_by(self, number):
        code, errors = self.stop_while_training(number, checkpoints=1)
        self.assertEqual(code, STOPPED, errors)
        self.assertEqual(errors, "\nstopping where it can go on again; once more ends it at once\n"
                                 "error: stopped on request\n"
                                 "  help: the same command again resumes the run\n")
        self.assertEqual(self.manifest()["status"], "interrupted")
        steps = [int(path.stem.split("-")[1]) for path in self.checkpoints()]
        stopped_at = steps[-1]
        self.assertEqual(self.records(self.run_folder())[-1]["step"], stopped_at // 10 * 10)
        self.assert_nothing_half_written()
        self.saffron()
        self.assert_as_uninterrupted()
        log = (self.run_folder() / "manifest.json").read_text()
        self.assertIn('"after": "interrupted"', log)

    def test_ctrl_c(self):
        self.stopped_by(signal.SIGINT)

    def test_term(self):
        self.stopped_by(signal.SIGTERM)

    def test_the_second_ends_at_once(self):
        """While the first is still being obeyed: the run is held in one endless step."""
        process = self.start("--set", "train.all.batch=3000000",
                             "--set", "train.all.rows=300000000")
        while not list(self.folder.glob("runs/*/metrics.jsonl")):
            self.assertIsNone(process.poll())
            time.sleep(0.001)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        self.assertIsNone(process.poll(), "the first one waits for the step's end")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        self.assertEqual(process.returncode, -signal.SIGINT, errors)


main()
