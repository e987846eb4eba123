#pragma once

#include <saffron/comparator.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// What is lost of one reward by optimising another, as the correlation studies of reward distances
// measure it (Skalse et al. 2024). With pi_i = argmax J_i and range(R) = max J - min J:
//
//   regret1   (J1(pi_1) - J1(pi_2)) / range(R1), in [0, 1]; 0 where reward 1 is trivial
//   regret2   (J2(pi_2) - J2(pi_1)) / range(R2)
//
// Several policies may be optimal for the reward that is optimised: "_pessimistic" takes the worst
// of them, "_optimistic" the best. "regret_mean_pessimistic" is the mean of both directions.
class Regret final : public Comparator, public ChecksWorld {
 public:
  struct Options {
    std::vector<std::string> ties = {"pessimistic", "optimistic"};
  };
  static Schema<Options> schema();

  explicit Regret(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
