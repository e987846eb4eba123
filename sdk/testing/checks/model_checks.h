#pragma once

#include "testing/model_runs.h"

#include <saffron/model.h>
#include <saffron/testing/checks.h>

#include <memory>
#include <string>
#include <vector>

// What the checks of models share, and those that stand in files of their own.

namespace saffron::testing {

// A model and what it is run on. Inputs are handed out as copies, so that a model that writes to
// them is found by one check alone.
struct ModelRuns {
  std::shared_ptr<Model> model;
  at::Tensor held;                 // tokens
  std::vector<std::string> sites;  // some, from first to last

  explicit ModelRuns(const Subject& subject, std::int64_t rows = 3);
  ModelRuns(const Subject& subject, std::shared_ptr<Model> made, std::int64_t rows);

  [[nodiscard]] RunResult run(const std::vector<std::string>& taps,
                              const std::vector<Edit>& edits = {}, bool logits = true) const {
    return model->run(held.clone(), taps, edits, logits);
  }
  [[nodiscard]] RunResult run() const { return run(sites); }
};

// What differs first between two runs with the same taps; "" when nothing is apart by more.
[[nodiscard]] std::string difference(const RunResult& a, const RunResult& b, double tolerance);

// The component in float64 where it can compute in it: by Context::dtype or an option `dtype`.
struct PreciseModel {
  std::shared_ptr<Model> model;
  bool doubles = false;
};
[[nodiscard]] PreciseModel precise_model(const Subject& subject);

// Edits (model_edits.cpp).
[[nodiscard]] Verdict identity_edit_changes_nothing(const Subject& subject);
[[nodiscard]] Verdict edit_leaves_no_trace(const Subject& subject);
[[nodiscard]] Verdict throwing_edit_leaves_no_trace(const Subject& subject);
[[nodiscard]] Verdict edits_are_called_once(const Subject& subject);
[[nodiscard]] Verdict edits_apply_in_order(const Subject& subject);
[[nodiscard]] Verdict edits_are_felt(const Subject& subject);
[[nodiscard]] Verdict taps_after_edits(const Subject& subject);
[[nodiscard]] Verdict edit_gradient_matches_finite_difference(const Subject& subject);

// Its tokenizer (model_tokens.cpp).
[[nodiscard]] Verdict tokenizer_roundtrip(const Subject& subject);
[[nodiscard]] Verdict tokenizer_fits_the_model(const Subject& subject);

// Layer maps (model_maps.cpp).
[[nodiscard]] Verdict layer_map_applies(const Subject& subject);
[[nodiscard]] Verdict layer_map_matches_autograd(const Subject& subject);
[[nodiscard]] Verdict layer_map_rows_differentiable(const Subject& subject);
[[nodiscard]] Verdict unknown_layer_map_refused(const Subject& subject);

}  // namespace saffron::testing
