#!/usr/bin/env python3
"""SAEs that are fitted by passes, in a recipe: their lines, their budget, and what they refuse."""

from bad_days import DONE, RECIPE, BadDay, main

RECIPE_TEXT = """
saffron = 1
name    = "fitted"
seed    = 3
threads = 1

[source.rows]
use        = "activations"
path       = "rows.npy"
block_rows = 512

[sae.fit]
use   = "pca"
reads = ["rows"]

[train.all]
saes      = ["fit"]
rows      = 6_000
pass_rows = 1_000
batch     = 300
log_every = 3
"""


class Fitted(BadDay):
    def setUp(self):
        super().setUp()
        (self.folder / "recipe.toml").write_text(RECIPE_TEXT)

    def lines(self):
        return [(record["sae"], record["step"], record["rows"], record["passes"])
                for record in self.records(self.run_folder())]

    def test_pca_is_done_after_a_pass_and_says_so(self):
        errors = self.saffron()
        self.assertNotIn("warning", errors)
        self.assertEqual(self.lines(), [("fit", 3, 900, 0), ("fit", 4, 1000, 1)])
        before, after = self.records(self.run_folder())
        self.assertGreater(before["fvu"], 0.9)
        self.assertLess(after["fvu"], 1e-6)
        self.assertEqual(after["gradient_norm"], 0)

    def test_points_of_a_grid_beside_one_that_is_stepped(self):
        with (self.folder / "recipe.toml").open("a") as recipe:
            recipe.write('vary = { "fit.k" = [1, 4] }\n[sae.step]\nuse = "topk"\nreads = ["rows"]\n'
                         'width = 64\nk = 4\n')
        self.saffron("--set", 'train.all.saes=["fit", "step"]')
        last = {record["sae"]: record for record in self.records(self.run_folder())}
        self.assertEqual({name: record["rows"] for name, record in last.items()},
                         {"fit[k=1]": 1000, "fit[k=4]": 1000, "step": 6000})
        self.assertLess(last["fit[k=4]"]["fvu"], last["fit[k=1]"]["fvu"])

    def test_too_few_passes_are_warned_of(self):
        errors = self.saffron("--set", "sae.fit.use=ica", "--set", "sae.fit.tolerance=1e-15",
                              "--set", "train.all.rows=2_500", code=DONE)
        self.assertIn("'fit' wanted more than the 2 passes over 1000 rows that train.all.rows = 2500 "
                      "allows", errors)
        self.assertEqual(self.lines()[-1], ("fit", 8, 2000, 2))

    def test_nmf_names_the_first_negative(self):
        errors = self.saffron("--set", "sae.fit.use=nmf", code=1)
        self.assertRegex(errors, r"sae.fit.*dimension \d+ of training row 0 is -0\.\d+")
        self.assertIn('shift = "minimum"', errors)

    def test_a_penalty_over_it_is_refused(self):
        self.refused(RECIPE, "train.all.regularizer.l1",
                     "'fit' (pca) is fitted by passes over the data, not stepped",
                     "leave it out of train.all.regularizer.l1.over",
                     options=("--set", 'train.all.regularizer.l1={ use = "l1", coef = 1.0 }'))


main()
