#pragma once

#include <saffron/context.h>
#include <saffron/schema.h>
#include <saffron/tabular_world.h>
#include <saffron/world_family.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace saffron::plugins {

// A random MDP and random rewards, as drawn for the experiments of STARC (Skalse et al. 2024; the
// constants are those of the authors' code). N is a standard normal number, U(a, b) a uniform one.
//
//   tau[s, a, :] = softmax(x),  x[s'] ~ N, replaced by `low` where it is at most `threshold`
//   R[s, a, s'] ~ N, then, each with its own probability and drawn anew for every reward:
//     sparse    entries at most `sparse_threshold` become 0
//     scaled    R c,  c ~ U(0, scale)
//     shifted   R + k,  k ~ U(0, shift)
//     shaped    R + gamma Phi(s') - Phi(s),  Phi = N(s) U(0, potential_scale) + U(0, potential_shift)
//
// mu0, D_S, D_A and the policy are uniform. With `interpolate` = n, each pair of rewards r0 and r1 has
// r0 + i / n (r1 - r0), i = 1 to n - 1, between the two.
//
// With more `environments` or `draws` it is a family: `draws` sets of rewards in each environment.
class RandomMdp final : public TableWorld, public WorldFamily {
 public:
  struct Options {
    std::int64_t states = 32, actions = 4;
    double gamma = 0.95;
    std::optional<double> threshold, sparse_threshold;
    double low = -20;
    std::int64_t rewards = 2, interpolate = 0;
    double sparse = 0.2, scaled = 0.7, shifted = 0.3, shaped = 0.5;
    double scale = 10, shift = 10, potential_scale = 10, potential_shift = 1;
    std::int64_t environments = 1, draws = 1;
  };
  static Schema<Options> schema();

  RandomMdp(const Options& options, const Context& context);

  [[nodiscard]] std::int64_t members() const override {
    return options_.environments * options_.draws;
  }
  [[nodiscard]] std::unique_ptr<World> member(std::int64_t i) const override;
  [[nodiscard]] std::int64_t environment(std::int64_t i) const override {
    return i / options_.draws;
  }

 private:
  struct Source {
    Random transitions, rewards;
  };
  RandomMdp(const Options& options, Source source, std::int64_t member);
  static MdpTables draw(const Options& options, const Source& source, std::int64_t member);

  Options options_;
  Source source_;
};

}  // namespace saffron::plugins
