#pragma once

#include <saffron/comparator.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Distances of the rewards themselves over a coverage distribution D, in their own units:
//
//   direct/p-uniform     (E |R1 - R2|^p)^(1/p) over D = D_S x D_A x D_S
//   direct/p-reachable   the same over D_S x D_A x tau
//
// for p = 1 and 2; p = inf is the largest |R1 - R2| that D covers (Gleave et al. 2021, section 4).
class Direct final : public Comparator, public ChecksWorld {
 public:
  struct Options {
    std::vector<std::string> distances = {"2-uniform", "2-reachable"};
  };
  static Schema<Options> schema();

  explicit Direct(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
