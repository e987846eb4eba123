#pragma once

#include <saffron/comparator.h>
#include <saffron/reward_metrics.h>
#include <saffron/schema.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// Transitions between numbered states, each counted once, and every reward's value on them.
struct TransitionList {
  at::Tensor start, end;  // int64 [n], below `states`
  std::int64_t states = 0;
  at::Tensor rewards;  // float64 [R, n]
};

// Sparsity-resilient reward distance (Nyanhongo et al. 2025) of a list of transitions: the possible
// ones of a tabular world, or the different ones of a sampled world's data. With E over the
// transitions between two sets of states, S1 the successors of s', S2 those of s, S3 and S4 all
// states that transitions start from and lead to, S5 the successors of S1, S6 those of S2:
//
//   C(R)(s, a, s') = R(s, a, s') + E[gamma R(s', A, S1) - R(s, A, S2) - gamma R(S3, A, S4)
//       + gamma^2 R(S1, A, S5) - gamma R(S2, A, S6) + gamma R(S3, A, S6) - gamma^2 R(S4, A, S5)]
//
//   SRRD   sqrt((1 - rho) / 2) of C(R1) and C(R2) over these transitions, all alike
//
// Means over sets do not cancel a potential exactly: shaping is reduced, not removed.
[[nodiscard]] rewards::Canonical srrd_form(const TransitionList& list, double gamma);  // [R, n]
[[nodiscard]] rewards::Canonical srrd_form(const TabularWorld& world);  // 0 where impossible

class Srrd final : public Comparator, public ChecksWorld {
 public:
  struct Options {};
  static Schema<Options> schema();

  explicit Srrd(const Options& /*options*/) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override;
};

}  // namespace saffron::plugins
