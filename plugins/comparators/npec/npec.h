#pragma once

#include <saffron/comparator.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Nearest point in an equivalence class (Gleave et al. 2021), exactly. Over D = D_S x D_A x D_S,
//
//   un(R1, R2) = min sqrt(E (a R1 + gamma Phi(s') - Phi(s) - R2)^2) over a >= 0 and potentials Phi
//   NPEC       = un(R1, R2) / un(0, R2), in [0, 1]; 0 where R2 is shaping alone
//
// With both rewards in their smallest shaped form it is one regression: the sine of the angle
// between these where it is acute, else 1.
class Npec final : public Comparator, public ChecksWorld {
 public:
  struct Options {};
  static Schema<Options> schema();

  explicit Npec(const Options& /*options*/) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override;
};

}  // namespace saffron::plugins
