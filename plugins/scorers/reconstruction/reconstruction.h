#pragma once

#include <saffron/context.h>
#include <saffron/schema.h>
#include <saffron/scorer.h>

#include <cstdint>

namespace saffron::plugins {

// How SAEs reconstruct (saffron/reconstruction_metrics.h has the formulas) and how they use their
// latents (code_statistics.h): one line of metrics an SAE, or a target of an SAE with several.
//
// Explained variance in two conventions: 1 - FVU, and the mean of the rows' own ratios ("per row",
// Jacobian SAEs). The second needs the mean of all rows before it can look at the first row, so
// rows are kept: all of them up to `row_sample`, a uniform sample of that size beyond; the mean is
// always that of all rows.
class Reconstruction final : public Scorer {
 public:
  struct Options {
    RefList<Sae> sae;
    std::int64_t row_sample = 16'384;
  };
  static Schema<Options> schema();

  explicit Reconstruction(const Options& options) : options_(options) {}

  [[nodiscard]] ScorerNeeds needs() const override;
  [[nodiscard]] std::unique_ptr<Accumulator> begin() const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
