#!/usr/bin/env python3
"""SAEs of several streams and code spaces, from a recipe to scores, weights and an export."""

import json
import struct
import subprocess

from bad_days import PATIENCE, RECIPE, STREAMS, BadDay, main

BadDay.recipe = "streams.toml"


class Streams(BadDay):
    def test_killed_and_resumed_is_as_uninterrupted(self):
        self.stop_while_training()
        self.saffron()
        self.assert_as_uninterrupted()

    def test_scores_each_target(self):
        report = json.loads((self.run_folder(self.straight) / "results.json").read_text())
        text = json.dumps(report)
        for subject in ("cross -> in0", "cross -> in1", "wide -> in1", "clt -> out0", "clt -> out1"):
            self.assertIn(subject, text)
        self.assertIn("fvu_all_targets", text)

    def test_latents_of_all_spaces_count(self):
        lines = (self.run_folder(self.straight) / "metrics.jsonl").read_text().splitlines()
        last = [record for record in map(json.loads, lines) if "clt" in json.dumps(record)][-1]
        values = json.dumps(last)
        self.assertIn("auxk.0", values + "".join(lines))
        dead = [round(value * 2 * 64, 6) for value in self.numbers(last, "dead")]
        self.assertTrue(dead)
        self.assertTrue(all(value == int(value) for value in dead), dead)

    def numbers(self, record, key):
        if isinstance(record, dict):
            for name, value in record.items():
                if name == key and isinstance(value, float):
                    yield value
                yield from self.numbers(value, key)
        elif isinstance(record, list):
            for value in record:
                yield from self.numbers(value, key)

    def test_weights_have_the_streams_side_by_side(self):
        saes = self.run_folder(self.straight) / "saes"
        both, out = STREAMS["in0"] + STREAMS["in1"], STREAMS["out0"] + STREAMS["out1"]
        for name, shapes in (("cross", {"W_enc": [96, both], "W_dec": [96, both], "b_dec": [both]}),
                             ("clt", {"W_enc.1": [64, STREAMS["in1"]], "W_dec.0": [64, out],
                                      "W_dec.1": [64, STREAMS["out1"]], "b_dec": [out]})):
            content = (saes / f"{name}.safetensors").read_bytes()
            (size,) = struct.unpack("<Q", content[:8])
            header = json.loads(content[8:8 + size])
            for tensor, shape in shapes.items():
                self.assertEqual(header[tensor]["shape"], shape)

    def test_export_is_refused_in_words(self):
        run = str(self.run_folder(self.straight))
        for name, words in (("cross", "reads 2 streams and predicts 2 has no canonical weights"),
                            ("clt", "of 2 layers has no canonical weights")):
            done = subprocess.run([self.program, "export", run, "out", "--sae", name],
                                  cwd=self.straight, capture_output=True, text=True,
                                  timeout=PATIENCE)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr)
            self.assertIn("read its .safetensors in the run's saes/ folder: ", done.stderr)
            self.assertEqual(done.stderr.count("error: "), 1, done.stderr)

    def test_one_stream_too_few(self):
        self.refused(RECIPE, "a crosscoder reads or predicts several streams, not one",
                     options=("--set", 'sae.cross.reads=["rows:in0"]'))


main()
