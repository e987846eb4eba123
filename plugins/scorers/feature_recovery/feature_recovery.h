#pragma once

#include <saffron/context.h>
#include <saffron/schema.h>
#include <saffron/scorer.h>

namespace saffron::plugins {

// Compares each SAE's decoder (of its first target) and its firing with what a Planted source put
// in. The formulas are those of saffron/metrics.h; rows come block by block, because the source
// knows its coefficients by block.
class FeatureRecovery final : public Scorer {
 public:
  struct Options {
    RefList<Sae> sae;
    double threshold = 0.9;
  };
  static Schema<Options> schema();

  // Error (invalid) unless the SAEs' one source plants features.
  explicit FeatureRecovery(const Options& options);

  [[nodiscard]] ScorerNeeds needs() const override;
  [[nodiscard]] std::unique_ptr<Accumulator> begin() const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
