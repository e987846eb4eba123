#include "feature_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/special_ndtri.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace saffron::plugins::synth {
namespace {

using Values = std::vector<double>;

constexpr double kLeastResidual = 0.01;  // of s^2: longer rows of L are shortened to leave it

Values values_of(const at::Tensor& t) {
  const at::Tensor flat = t.contiguous();
  const double* p = flat.const_data_ptr<double>();
  return {p, p + flat.numel()};
}

Values zipf(std::int64_t n, const Firing& o) {
  Values p(at_index(n), o.maximum);
  const double last = std::pow(static_cast<double>(n), -o.exponent);
  for (std::int64_t i = 1; i < n; ++i) {
    const double rank = std::pow(static_cast<double>(i + 1), -o.exponent);
    p[at_index(i)] = o.minimum + (o.maximum - o.minimum) * (rank - last) / (1 - last);
  }
  return p;
}

std::vector<std::uint8_t> draw_exclusive(const Hierarchy& o, Random random) {
  const std::int64_t parents = o.parents();
  const std::int64_t skipped =
      o.exclusive_from > 0 ? std::min(o.count(o.exclusive_from - 1), parents) : 0;
  std::vector<std::uint8_t> exclusive(at_index(parents), 0);
  const std::int64_t eligible = parents - skipped;
  const auto chosen = static_cast<std::int64_t>(static_cast<double>(eligible) * o.exclusive);
  if (chosen == 0) return exclusive;
  const Permutation order(random, static_cast<std::uint64_t>(eligible));
  for (std::int64_t i = 0; i < chosen; ++i) {
    const std::uint64_t place = order(static_cast<std::uint64_t>(i));
    exclusive[at_index(skipped) + place] = 1;
  }
  return exclusive;
}

Values compensated(const FeatureModel& model) {
  const Hierarchy& o = model.hierarchy;
  Values q = model.base;
  if (!o.compensate) return q;
  for (std::size_t parent = 0; parent < model.exclusive.size(); ++parent) {
    const double p = model.base[parent];
    const std::size_t first = at_index(o.first_child(static_cast<std::int64_t>(parent)));
    const std::size_t last = first + at_index(o.branching);
    double all = 0;
    for (std::size_t c = first; c < last; ++c) all += model.base[c];
    for (std::size_t c = first; c < last; ++c) {
      const double others = std::max(0.0, all - model.base[c]);
      const double rivals = model.exclusive[parent] != 0 ? 1 + others / p : 1;
      q[c] = std::min(1.0, model.base[c] / p * rivals);
    }
  }
  return q;
}

void draw_correlation(FeatureModel& model, const Correlation& o, Random random) {
  const at::Tensor drawn = random.normal_rows(0, model.features(), o.rank, at::kDouble) * o.scale;
  const at::Tensor squares = drawn.square().sum(1, true);
  const double most = 1 - kLeastResidual;
  const at::Tensor shortened = at::where(squares > most, drawn * at::sqrt(most / squares), drawn);
  model.factor = shortened.contiguous();
  model.residual = values_of(at::sqrt(1 - shortened.square().sum(1)));
}

}  // namespace

FeatureModel make_feature_model(const Options& options, Random random) {
  const std::int64_t n = options.features;
  const Magnitude& m = options.magnitude;
  FeatureModel model;
  model.hierarchy = options.hierarchy;
  model.base = zipf(n, options.firing);
  model.exclusive = draw_exclusive(options.hierarchy, random.fork("exclusive"));
  model.probabilities = compensated(model);
  model.thresholds = values_of(
      (-at::special_ndtri(at::tensor(model.probabilities, at::kDouble))).clamp(-kAlways, kAlways));
  const Random deviations = random.fork("deviations");
  for (std::int64_t i = 0; i < n; ++i) {
    const double place = n > 1 ? static_cast<double>(i) / static_cast<double>(n - 1) : 0;
    model.mean.push_back(m.first + (m.last - m.first) * place);
    model.deviation.push_back(std::abs(
        m.deviation + m.deviation_spread * deviations.normal(static_cast<std::uint64_t>(i))));
  }
  draw_correlation(model, options.correlation, random.fork("correlation"));
  return model;
}

}  // namespace saffron::plugins::synth
