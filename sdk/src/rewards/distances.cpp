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
namespace {

using Kind = Measure::Kind;

// The symmetric matrix of d(row i, rows j > i) -> [R - i - 1], with this diagonal.
at::Tensor pairwise(const at::Tensor& x,
                    const std::function<at::Tensor(const at::Tensor&, const at::Tensor&)>& d) {
  const std::int64_t count = x.size(0);
  at::Tensor out = at::zeros({count, count}, x.options());
  for (std::int64_t i = 0; i + 1 < count; ++i) {
    const at::Tensor row = d(x[i], x.slice(0, i + 1));
    out[i].slice(0, i + 1).copy_(row);
    out.select(1, i).slice(0, i + 1).copy_(row);
  }
  return out;
}

// Undefined when all weights are 0.
at::Tensor normalised_to_one(const at::Tensor& weights) {
  const at::Tensor flat = weights.reshape({-1});
  const double sum = flat.sum().item<double>();
  return sum > 0 ? flat / sum : at::Tensor();
}

void leave_undefined(PairMatrix& out, std::int64_t count, const char* reason) {
  out.values = at::full({count, count}, std::numeric_limits<double>::quiet_NaN(), at::kDouble);
  out.reasons.assign(static_cast<std::size_t>(count * count), reason);
}

}  // namespace

Distances::Distances(const TabularWorld& world, Canonical canonical, std::vector<std::string> names)
    : name_(std::move(canonical.name)), names_(std::move(names)) {
  const at::Tensor& tau = world.transitions().dense;
  const bool constant = canonical.values.size(-1) != tau.size(-1) || tau.size(-1) == 1;
  values_ = canonical.values.reshape({canonical.values.size(0), -1});
  scale_ = canonical.scale.reshape({canonical.values.size(0), -1});
  for (std::int64_t i = 0; i < scale_.size(0); ++i) {
    if (scale_[i].isfinite().all().item<bool>()) continue;  // it bounds every sum in values
    throw Error(ErrorKind::numeric,
                cat("reward '", names_[static_cast<std::size_t>(i)],
                    "' overflows float64 when it is brought to its ", name_, " form"))
        .with_help("scale it down: normalised distances do not see the scale");
  }
  cells_ = Cells::of(tau, constant);
  const at::Tensor state_action =
      world.state_distribution().unsqueeze(-1) * world.action_distribution();  // [S, A]
  const at::Tensor successor = state_action.unsqueeze(-1) * world.state_distribution();
  const at::Tensor possible = state_action.unsqueeze(-1) * tau;
  uniform_ = normalised_to_one(constant ? successor.sum(-1) : successor);
  reachable_ = normalised_to_one(constant ? possible.sum(-1) : possible);
}

at::Tensor Distances::zero(Norm kind) const {
  return norm(kind, values_, cells_) <= kZero * norm(kind, scale_, cells_);
}

at::Tensor Distances::standardised(Norm kind) const {
  const at::Tensor size = norm(kind, values_, cells_);
  const at::Tensor is_zero = zero(kind).unsqueeze(-1);
  return at::where(is_zero, 0.0, values_ / at::where(is_zero, 1.0, size.unsqueeze(-1)));
}

// 2 atan2(|u - v|, |u + v|) of unit vectors: exact near 0 and pi, where acos of a product is not.
at::Tensor Distances::angles(Norm kind) const {
  const at::Tensor unit = standardised(kind);
  return pairwise(unit, [&](const at::Tensor& u, const at::Tensor& v) {
    return 2 * at::atan2(norm(kind, u - v, cells_), norm(kind, u + v, cells_));
  });
}

// Of u, v with mean 0 and norm 1 under the coverage: sqrt((1 - rho) / 2) = |u - v| / 2, which
// unlike the left side loses nothing where rho is close to 1.
void Distances::pearson(const Measure& measure, PairMatrix& out) const {
  const at::Tensor& weight = measure.kind == Kind::pearson_uniform ? uniform_ : reachable_;
  if (!weight.defined()) {
    leave_undefined(out, values_.size(0),
                    "no transition is covered: D_S x D_A x tau is 0 everywhere");
    return;
  }
  const Cells covered{weight, weight, weight};
  const at::Tensor centred = values_ - (values_ * weight).sum(-1, true);
  const at::Tensor deviation = norm(Norm::two, centred, covered);
  const at::Tensor constant = deviation <= kZero * norm(Norm::two, scale_, covered);
  const at::Tensor unit = centred / at::where(constant, 1.0, deviation).unsqueeze(-1);
  out.values = 0.5 * pairwise(unit, [&](const at::Tensor& u, const at::Tensor& v) {
                 return norm(Norm::two, u - v, covered);
               });
  const at::Tensor undefined = constant.unsqueeze(0) | constant.unsqueeze(1);
  if (!undefined.any().item<bool>()) return;
  out.values.masked_fill_(undefined, std::numeric_limits<double>::quiet_NaN());
  const std::size_t count = names_.size();
  out.reasons.resize(count * count);
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b < count; ++b) {
      for (const std::size_t i : {b, a}) {  // the first of the pair is named when both are constant
        if (!constant[static_cast<std::int64_t>(i)].item<bool>()) continue;
        out.reasons[a * count + b] =
            cat("the ", name_, " form of reward '", names_[i],
                "' is constant on the covered transitions: it correlates with nothing");
      }
    }
  }
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
    case Kind::pearson_reachable: pearson(measure, out); break;
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
  const at::Tensor flags = zero(Norm::two);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (flags[static_cast<std::int64_t>(i)].item<bool>()) out.push_back(names_[i]);
  }
  return out;
}

}  // namespace saffron::inline sdk_v1::rewards
