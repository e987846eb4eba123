#pragma once

#include <saffron/comparator.h>
#include <saffron/schema.h>

#include <string>
#include <string_view>
#include <vector>

namespace saffron::plugins {

// What policies can earn decides (Chi 2026 for the distance; the worst case after Skalse et al. 2024).
// With range(R) = max J - min J over policies and R° = R / range(R), or 0 where no policy beats
// another:
//
//   span   range(R1° - R2°), in [0, 2]
//   w12    max { J1(pi) - J1(pi') : J2(pi') >= J2(pi) } / range(R1), in [0, 1]: the most that one
//          may lose of reward 1 by going by reward 2; w21 the other way round
//
//   w12 <= span <= 2 w12, and likewise w21, where neither reward is trivial
//
// Blind to exactly what no policy's return sees: shaping, S'-redistribution, states that are not
// reached. Planning is by policy iteration with exact evaluation; w12 is a convex piecewise linear
// problem in one unknown (rewards::PolicyReturns). The report names policies that attain it. Where
// transitions are sparse policies are evaluated by iteration (rewards::SparseReturns), and certificates
// say how far the numbers may be off.
class Span final : public Comparator, public ChecksWorld {
 public:
  struct Options {
    std::vector<std::string> metrics = {"span", "w12", "w21"};
    std::int64_t states = 16;
  };
  static Schema<Options> schema();

  explicit Span(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override;

 private:
  [[nodiscard]] Comparison compare_sparse(const TabularWorld& world,
                                          const std::vector<std::string>& names) const;
  [[nodiscard]] bool wants(std::string_view metric) const;
  [[nodiscard]] bool wants_span() const;
  [[nodiscard]] bool wants_regret() const;
  Options options_;
};

}  // namespace saffron::plugins
