#include "cross_fit.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace saffron::plugins {
namespace {

Residuals joined(const std::vector<Residuals>& parts) {
  std::vector<at::Tensor> values, scale, episode, cell;
  for (const Residuals& part : parts) {
    values.push_back(part.values);
    scale.push_back(part.scale);
    episode.push_back(part.episode);
    if (part.cell.defined()) cell.push_back(part.cell);
  }
  return {at::cat(values, 1), at::cat(scale, 1), at::cat(episode),
          cell.empty() ? at::Tensor() : at::cat(cell)};
}

}  // namespace

Residuals::Means Residuals::means(const at::Tensor& x, const at::Tensor& weights,
                                  std::int64_t cells) const {
  const at::Tensor each = weights.index_select(0, episode);
  if (!cell.defined()) return {x, each};
  const at::Tensor weight = at::zeros({cells}, at::kDouble).index_add_(0, cell, each);
  const at::Tensor sums = at::zeros({x.size(0), cells}, at::kDouble).index_add_(1, cell, x * each);
  return {at::where(weight > 0, sums / weight, 0.0), weight};
}

CrossFit::CrossFit(const rewards::SampledData& data, const PotentialFeatures& features,
                   std::int64_t folds, double ridge, const at::Tensor& cell, std::int64_t cells,
                   const Random& random)
    : data_(data),
      features_(features),
      folds_(folds),
      ridge_(ridge),
      cell_(cell),
      cells_(cells),
      fewest_(data.count()) {
  const at::Tensor fold = rewards::episode_parts(data.episodes, folds, random.fork("folds"));
  const at::Tensor of_row = fold.index_select(0, data.episode);
  for (std::int64_t t = 0; t < folds; ++t) {
    rows_.push_back(at::nonzero(of_row == t).view(-1));
    if (averaged()) continue;
    by_fold_.push_back(drawn_equations(features.shaping.index_select(0, rows_.back()),
                                       data.rewards.index_select(1, rows_.back())));
  }
}

at::Tensor CrossFit::rows_of(const std::vector<std::int64_t>& folds) const {
  std::vector<at::Tensor> parts;
  for (const std::int64_t t : folds) parts.push_back(rows_[static_cast<std::size_t>(t)]);
  return at::cat(parts);
}

at::Tensor CrossFit::fit(const std::vector<std::int64_t>& folds) const {
  NormalEquations sum;
  if (averaged()) {
    const at::Tensor rows = rows_of(folds);
    sum = averaged_equations(features_.shaping.index_select(0, rows),
                             data_.rewards.index_select(1, rows), cell_.index_select(0, rows),
                             cells_);
  } else {
    for (const std::int64_t t : folds) sum += by_fold_[static_cast<std::size_t>(t)];
  }
  fewest_ = std::min(fewest_, sum.rows);
  if (sum.rows < features_.count()) {
    throw Error(
        ErrorKind::data,
        cat("too few samples: ", sum.rows,
            averaged() ? " transitions of states and actions that came twice" : " transitions",
            " to fit a potential of ", features_.count(), " features"))
        .with_help("draw more episodes, or take fewer features (width)");
  }
  const NormalEquations::Solution found = sum.solve(ridge_);
  most_unknown_ = std::max(most_unknown_, found.unknown);
  return found.w;
}

Residuals CrossFit::residuals(const std::vector<std::int64_t>& folds, const at::Tensor& w,
                              std::int64_t first_cell) const {
  const at::Tensor rows = rows_of(folds);
  const at::Tensor r = data_.rewards.index_select(1, rows);
  const at::Tensor shaping = at::matmul(w, features_.shaping.index_select(0, rows).t());
  return {r + shaping, r.abs() + shaping.abs(), data_.episode.index_select(0, rows),
          averaged() ? cell_.index_select(0, rows) + first_cell : at::Tensor()};
}

Residuals CrossFit::once() const {
  std::vector<Residuals> out;
  for (std::int64_t t = 0; t < folds_; ++t) {
    std::vector<std::int64_t> others;
    for (std::int64_t f = 0; f < folds_; ++f) {
      if (f != t) others.push_back(f);
    }
    out.push_back(residuals({t}, fit(others), 0));
  }
  return joined(out);
}

CrossFit::Pair CrossFit::twice() const {
  const std::int64_t each = averaged() ? std::max<std::int64_t>(1, (folds_ - 2) / 4) : 1;
  const std::int64_t used = averaged() ? 2 * each : each;
  std::vector<Residuals> first, second;
  for (std::int64_t t = 0; t < folds_; ++t) {
    const auto from_t = [&](std::int64_t begin, std::int64_t end, std::int64_t step) {
      std::vector<std::int64_t> out;
      for (std::int64_t f = begin; f < end; f += step) out.push_back((t + f) % folds_);
      return out;
    };
    const std::int64_t cell = averaged() ? t * cells_ : 0;
    first.push_back(residuals(from_t(0, each, 1), fit(from_t(used, folds_, 2)), cell));
    second.push_back(
        residuals(from_t(used - each, used, 1), fit(from_t(used + 1, folds_, 2)), cell));
  }
  return {joined(first), joined(second), averaged() ? folds_ * cells_ : data_.count()};
}

}  // namespace saffron::plugins
