#pragma once

#include "feature_model.h"
#include "normal_table.h"
#include "row_draws.h"

#include <saffron/codes.h>
#include <saffron/random.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace saffron::plugins::synth {

// Rows of coefficients, each a function of its number.
//
// Given the row's eps [rank] features fire independently with probability Phi(y_i),
// y_i = (eps . L_i - t_i) / s_i, and a child's draw matters only where its parent is active. So
//
//   - roots and lone features (5632 of 16,384) get y from one product of a tile of rows with
//     L_i / s_i; children's y are dot products, made where the parent is active;
//   - roots and lone features lie in groups of neighbours, whose probabilities are alike. With
//     P >= Phi(max y) of a group, from a table, and h = -log(1 - P), the places that would fire at
//     probability P are reached by skips: E exponential is spent at h a place, group after group,
//     and where it runs out a place is reached, which fires with probability Phi(y_i) / P. That is
//     the law of a uniform for every feature.
//
// A row of SynthSAEBench-16k costs 146,000 multiplications (the product), 704 bounds, about 47
// places reached of which 12.5 fire, about 100 children looked at, and 34 active features.
class RowSampler {
 public:
  RowSampler(FeatureModel model, Random random);

  // Rows [first, first + count): csr, float32, ascending features.
  [[nodiscard]] Codes draw(std::int64_t first, std::int64_t count) const;
  [[nodiscard]] const FeatureModel& model() const { return model_; }

 private:
  struct Row;   // one under construction
  struct Tile;  // entries of some rows

  void weigh_free_features();
  void weigh_children();
  // The feature in a place; G and more: none.
  [[nodiscard]] std::int64_t feature_at(std::int64_t place) const;

  [[nodiscard]] Tile draw_tile(std::int64_t tile, std::int64_t first, std::int64_t last) const;
  void draw_row(const float* y, Row& row) const;
  void fire(std::int64_t feature, Row& row) const;
  void draw_children(std::int64_t parent, double value, Row& row) const;
  [[nodiscard]] double magnitude(std::int64_t feature, Row& row) const;
  void activate(std::int64_t feature, double value, Row& row) const;

  FeatureModel model_;
  Random normals_, draws_;
  NormalTable table_;
  std::int64_t rank_, parents_, first_lone_, groups_;
  // L_i / s_i and -t_i / s_i, [rank + 1, columns]: place p in column groups (p mod group size) +
  // p / group size, so that a group's places lie `groups` apart and maxima are taken side by side.
  at::Tensor free_weights_;
  std::vector<float> child_weights_;  // the same of each parent's children: [rank + 1, branching]
};

}  // namespace saffron::plugins::synth
