#include "src/rewards/each_pair.h"
#include "src/rewards/rows.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <limits>

// Matrices over pairs of rewards, and the coverage that correlations are taken over.

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

void require_finite(const Canonical& canonical, const std::vector<std::string>& names) {
  if (canonical.scale.isfinite().all().item<bool>()) return;  // it bounds every sum in values
  for (std::int64_t i = 0; i < canonical.scale.size(0); ++i) {
    if (canonical.scale[i].isfinite().all().item<bool>()) continue;
    throw Error(ErrorKind::numeric,
                cat("reward '", names[static_cast<std::size_t>(i)],
                    "' overflows float64 when it is brought to its ", canonical.name, " form"))
        .with_help("scale it down: normalised distances do not see the scale");
  }
}

at::Tensor standardise(Norm kind, const at::Tensor& x, const at::Tensor& scale,
                       const Cells& cells) {
  const at::Tensor largest = scale.amax(-1, true);
  const at::Tensor unit = at::where(largest > 0, largest, 1.0), y = x / unit;
  const at::Tensor size = norm(kind, y, cells).unsqueeze(-1);
  const at::Tensor zero = size <= kZero * norm(kind, scale / unit, cells).unsqueeze(-1);
  return at::where(zero, 0.0, y / at::where(zero, 1.0, size));
}

at::Tensor coverage(const TabularWorld& world, bool reachable) {
  const at::Tensor state_action =
      world.state_distribution().unsqueeze(-1) * world.action_distribution();  // [S, A]
  const at::Tensor weight = state_action.unsqueeze(-1) *
                            (reachable ? world.transitions().dense : world.state_distribution());
  const double sum = weight.sum().item<double>();
  return sum > 0 ? weight / sum : at::Tensor();
}

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

void leave_undefined(PairMatrix& out, std::int64_t count, const std::string& reason) {
  out.values = at::full({count, count}, kNaN, at::kDouble);
  out.reasons.assign(static_cast<std::size_t>(count * count), reason);
}

void leave_undefined(PairMatrix& out, const at::Tensor& undefined,
                     const std::vector<std::string>& reasons) {
  if (!undefined.any().item<bool>()) return;
  out.values.masked_fill_(undefined.unsqueeze(0) | undefined.unsqueeze(1), kNaN);
  const std::size_t count = reasons.size();
  out.reasons.resize(count * count);
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b < count; ++b) {
      for (const std::size_t i : {b, a}) {  // the first of the pair is named when both are
        if (!undefined[static_cast<std::int64_t>(i)].item<bool>()) continue;
        out.reasons[a * count + b] = reasons[i];
      }
    }
  }
}

std::string constant_reason(std::string_view form, const std::string& reward) {
  return cat("the ", form, " form of reward '", reward,
             "' is constant on the covered transitions: it correlates with nothing");
}

// Of u, v with mean 0 and norm 1 under the weights: sqrt((1 - rho) / 2) = |u - v| / 2, which unlike
// the left side loses nothing where rho is close to 1.
void correlate(PairMatrix& out, const at::Tensor& x, const at::Tensor& scale,
               const at::Tensor& weight, std::string_view form,
               const std::vector<std::string>& names) {
  if (!weight.defined()) return leave_undefined(out, x.size(0), kNoCoverage);
  const Rows rows = Rows::centred(x, scale, weight);
  out.values = at::zeros({rows.count(), rows.count()}, at::kDouble);
  double* d = out.values.mutable_data_ptr<double>();
  each_pair(rows.count(), x.size(1), [&](std::int64_t i, std::int64_t j) {
    if (i >= j) return;
    d[i * rows.count() + j] = d[j * rows.count() + i] =
        0.5 * rows.apart(Norm::two, i, j)[Norm::two];
  });
  std::vector<std::string> reasons;
  at::Tensor constant = at::zeros({rows.count()}, at::kBool);
  for (std::int64_t i = 0; i < rows.count(); ++i) {
    constant[i] = rows.zero(i);
    reasons.push_back(constant_reason(form, names[static_cast<std::size_t>(i)]));
  }
  leave_undefined(out, constant, reasons);
}

}  // namespace saffron::inline sdk_v1::rewards
