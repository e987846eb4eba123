#pragma once

#include "features.h"
#include "normal_equations.h"

#include <saffron/random.h>
#include <saffron/reward_samples.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace saffron::plugins {

// What a potential leaves of each reward, r + X w, at draws that stand for cells: transitions, or states
// and actions with all that followed them.
struct Residuals {
  at::Tensor values, scale;  // float64 [R, n]; |r| + |X w|
  at::Tensor episode;        // int64 [n]
  at::Tensor cell;           // the same; undefined where every draw is a cell of its own

  // Means over each cell's draws, each counted by its episode's weight [E], 0 in cells without:
  // [R, cells], and the sums of weights [cells].
  struct Means {
    at::Tensor values, weight;
  };
  [[nodiscard]] Means means(const at::Tensor& x, const at::Tensor& weights,
                            std::int64_t cells) const;
};

// Potentials fitted on some folds of the episodes, for residuals on others: a fit does not see the noise
// of what it is taken from.
class CrossFit {
 public:
  // cell: of (s, a), for least squares of means over what followed; or undefined, for those of single
  // transitions.
  CrossFit(const rewards::SampledData& data, const PotentialFeatures& features, std::int64_t folds,
           double ridge, const at::Tensor& cell, std::int64_t cells, const Random& random);

  // Every transition, by a potential of all other folds.
  [[nodiscard]] Residuals once() const;

  // Two of independent noise, for every fold t. Of single transitions: those of t, by potentials of two
  // parts of the other folds. Of means: of K folds from t on, (K - 2) / 4 give what followed, as many
  // after them what followed in the second replicate, and two parts of the others the potentials;
  // cells are numbered t * cells + cell.
  struct Pair {
    Residuals first, second;
    std::int64_t cells = 0;
  };
  [[nodiscard]] Pair twice() const;

  // The fewest transitions of a fit that are not left out.
  [[nodiscard]] std::int64_t fewest() const { return fewest_; }
  // The most directions in which a fit leaves potentials at 0, as the data do not show them.
  [[nodiscard]] std::int64_t most_unknown() const { return most_unknown_; }

 private:
  [[nodiscard]] bool averaged() const { return cell_.defined(); }
  [[nodiscard]] at::Tensor fit(const std::vector<std::int64_t>& folds) const;
  [[nodiscard]] Residuals residuals(const std::vector<std::int64_t>& folds, const at::Tensor& w,
                                    std::int64_t first_cell) const;
  [[nodiscard]] at::Tensor rows_of(const std::vector<std::int64_t>& folds) const;

  const rewards::SampledData& data_;
  const PotentialFeatures& features_;
  std::int64_t folds_;
  double ridge_;
  at::Tensor cell_;
  std::int64_t cells_;
  std::vector<at::Tensor> rows_;          // of each fold
  std::vector<NormalEquations> by_fold_;  // of single transitions
  mutable std::int64_t fewest_, most_unknown_ = 0;
};

}  // namespace saffron::plugins
