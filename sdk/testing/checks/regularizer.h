#pragma once

#include "testing/drivers/loss.h"
#include "testing/uses.h"

#include <saffron/testing/checks.h>

#include <vector>

// What the checks of regularizers share, and those of what one declares (regularizer_claims.cpp).

namespace saffron::testing {

// A regularizer over the toy SAEs that it accepts, in float64.
class PenaltyBench {
 public:
  explicit PenaltyBench(const Subject& subject) : PenaltyBench(subject, saes_for(subject)) {}
  PenaltyBench(const Subject& subject, std::int64_t saes) : subject_(subject), toys_(saes) {
    need_float64(subject);
  }

  [[nodiscard]] std::vector<StepLeaves> leaves() const {
    Inputs inputs(drawn(subject_, {.rows = kRows, .dtype = at::kDouble}));
    return toys_.leaves(inputs);
  }
  // R of a fresh instance.
  [[nodiscard]] at::Tensor penalty(const std::vector<StepLeaves>& leaves,
                                   Codes::Layout layout = Codes::Layout::dense) const {
    Inputs inputs(drawn(subject_, {.rows = kRows, .dtype = at::kDouble, .layout = layout}));
    return subject_.make<Regularizer>(in_double())->penalty(*toys_.step(leaves, inputs));
  }
  [[nodiscard]] double value(const std::vector<StepLeaves>& leaves,
                             Codes::Layout layout = Codes::Layout::dense) const {
    const at::Tensor out = penalty(leaves, layout);
    need_number(out);
    return out.item<double>();
  }

 private:
  static constexpr std::int64_t kRows = 12;
  static Subject::Setup in_double() { return {.dtype = at::kDouble}; }
  const Subject& subject_;
  ToyStep toys_;
};

Verdict non_negative(const Subject& subject);
Verdict scale_degree(const Subject& subject);
Verdict permutation_invariant(const Subject& subject);
Verdict declared_range(const Subject& subject);

}  // namespace saffron::testing
