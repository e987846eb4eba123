#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/atan2.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <functional>
#include <limits>
#include <numbers>
#include <utility>

namespace saffron::inline sdk_v1::rewards {
using Kind = Measure::Kind;

Distances::Distances(const TabularWorld& world, Canonical canonical, std::vector<std::string> names)
    : name_(canonical.name), names_(std::move(names)) {
  require_finite(canonical, names_);
  const at::Tensor& tau = world.transitions().dense;
  const bool constant = canonical.values.size(-1) != tau.size(-1) || tau.size(-1) == 1;
  values_ = canonical.values.reshape({canonical.values.size(0), -1});
  scale_ = canonical.scale.reshape({canonical.values.size(0), -1});
  cells_ = Cells::of(tau, constant);
  const auto covered = [&](bool reachable) {
    const at::Tensor weight = coverage(world, reachable);
    if (!weight.defined()) return weight;
    return (constant ? weight.sum(-1) : weight).reshape({-1});
  };
  uniform_ = covered(false);
  reachable_ = covered(true);
}

at::Tensor Distances::standardised(Norm kind) const {
  return standardise(kind, values_, scale_, cells_);
}

// 2 atan2(|u - v|, |u + v|) of unit vectors: exact near 0 and pi, where acos of a product is not.
at::Tensor Distances::angles(Norm kind) const {
  const at::Tensor unit = standardised(kind);
  return pairwise(unit, [&](const at::Tensor& u, const at::Tensor& v) {
    return 2 * at::atan2(norm(kind, u - v, cells_), norm(kind, u + v, cells_));
  });
}

PairMatrix Distances::matrix(const Measure& measure) const {
  PairMatrix out;
  out.key = name_ + "/" + measure.text();
  out.definition = measure.definition();
  switch (measure.kind) {
    case Kind::norms: {
      const at::Tensor s =
          measure.normalise == Norm::none ? values_ : standardised(measure.normalise);
      out.values = pairwise(s, [&](const at::Tensor& u, const at::Tensor& v) {
        return norm(measure.distance, u - v, cells_);
      });
      break;
    }
    case Kind::angle: out.values = angles(Norm::two); break;
    case Kind::weighted_angle: out.values = angles(Norm::weighted_two); break;
    case Kind::pearson_uniform:
    case Kind::pearson_reachable:
      correlate(out, values_, scale_, measure.kind == Kind::pearson_uniform ? uniform_ : reachable_,
                name_, names_);
      break;
  }
  return out;
}

Certificate Distances::certificate(const Measure& measure) const {
  Certificate out;
  out.metric = name_ + "/" + measure.text();
  out.pseudometric = true;
  if (measure.scale_invariant()) out.invariant_to.push_back("positive scaling");
  switch (measure.kind) {
    case Kind::norms:
      out.high = measure.normalise == Norm::none
                     ? std::numeric_limits<double>::infinity()
                     : 2 * largest_ratio(measure.normalise, measure.distance, cells_);
      break;
    case Kind::angle:
    case Kind::weighted_angle: out.high = std::numbers::pi; break;
    case Kind::pearson_uniform:
    case Kind::pearson_reachable: out.high = 1; break;
  }
  return out;
}

std::vector<std::string> Distances::trivial() const {
  const at::Tensor flags = standardised(Norm::two).abs().amax(-1) == 0;
  std::vector<std::string> out;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (flags[static_cast<std::int64_t>(i)].item<bool>()) out.push_back(names_[i]);
  }
  return out;
}

}  // namespace saffron::inline sdk_v1::rewards
