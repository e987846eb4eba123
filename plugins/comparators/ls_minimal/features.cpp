#include "features.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace saffron::plugins {
namespace {

void require_memory(std::int64_t rows, std::int64_t features, std::int64_t memory) {
  // X, and as much again for what it is made of.
  const double mib = 2 * static_cast<double>(rows) * static_cast<double>(features) * 8 / (1 << 20);
  if (mib <= static_cast<double>(memory)) return;
  throw Error(cat(features, " features of ", rows, " transitions take ",
                  static_cast<std::int64_t>(mib), " MiB, more than memory = ", memory))
      .with_help("fewer features (width), fewer transitions, or more memory");
}

at::Tensor goes_on(const rewards::SampledData& data) {
  return data.terminal.logical_not().to(at::kDouble).unsqueeze(1);
}

}  // namespace

bool numbered_states(const rewards::SampledData& data) {
  return data.states.scalar_type() == at::kLong && data.states.numel() == data.count();
}

PotentialFeatures random_features(const rewards::SampledData& data, std::int64_t width,
                                  std::int64_t memory, const Random& random) {
  const std::int64_t N = data.count();
  const at::Tensor s = data.states.to(at::kDouble).reshape({N, -1});
  const at::Tensor next = data.next_states.to(at::kDouble).reshape({N, -1});
  const std::int64_t D = s.size(1);
  require_memory(N, width + 2 * D + 1, memory);
  const at::Tensor mean = s.mean(0), spread = s.std(0, false);
  const at::Tensor unit = at::where(spread > 0, spread, 1.0);
  const at::Tensor w =
      random.fork("directions").normal_rows(0, width, D, at::kDouble).t() * 2 / std::sqrt(D);
  const at::Tensor b = random.fork("offsets").uniform_rows(0, 1, width, at::kDouble) * 4 - 2;
  const auto features = [&](const at::Tensor& x) {
    const at::Tensor z = (x - mean) / unit;
    return at::cat({at::ones({N, 1}, at::kDouble), z, z.square(), (at::matmul(z, w) + b).tanh()},
                   1);
  };
  at::Tensor X = features(next).mul_(data.gamma * goes_on(data)).sub_(features(s));
  return {X, cat(width, " random features, ", D, D == 1 ? " coordinate" : " coordinates",
                 ", squares and a constant")};
}

PotentialFeatures one_hot_features(const rewards::SampledData& data, std::int64_t memory) {
  const std::int64_t N = data.count();
  const rewards::DistinctRows states = rewards::distinct_rows(data.states, data.next_states);
  require_memory(N, states.count(), memory);
  at::Tensor X = at::zeros({N, states.count()}, at::kDouble);
  X.scatter_add_(1, states.number.narrow(0, N, N).unsqueeze(1), data.gamma * goes_on(data));
  X.scatter_add_(1, states.number.narrow(0, 0, N).unsqueeze(1), -at::ones({N, 1}, at::kDouble));
  return {X, cat("one feature for each of ", states.count(), " states")};
}

}  // namespace saffron::plugins
