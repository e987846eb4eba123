#include <saffron/error.h>
#include <saffron/metrics.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_unique.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/max.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>

#include <limits>

namespace saffron::inline sdk_v1::metrics {
namespace {

// Rows scaled to norm 1; rows of norm 0 stay 0.
at::Tensor unit(const at::Tensor& rows) {
  const at::Tensor x = rows.detach().to(at::kCPU, at::kDouble);
  const at::Tensor norm = x.norm(2, at::IntArrayRef{1}, true);
  return x / at::where(norm > 0, norm, 1.0);
}

double mean_or_nan(const at::Tensor& values) {
  return values.numel() == 0 ? std::numeric_limits<double>::quiet_NaN()
                             : values.mean().item<double>();
}

}  // namespace

at::Tensor cosines(const at::Tensor& a, const at::Tensor& b, Sign sign) {
  if (a.dim() != 2 || b.dim() != 2 || a.size(1) != b.size(1)) {
    throw Error(cat("cosines: dictionaries ", a.sizes(), " and ", b.sizes(),
                    " are not matrices of one width"));
  }
  const c10::AutoGradMode no_grad(false);
  const at::Tensor c = at::mm(unit(a), unit(b).t());
  return sign == Sign::absolute ? c.abs() : c;
}

BestMatch best_match(const at::Tensor& a, const at::Tensor& b, Sign sign) {
  return best_of_rows(cosines(a, b, sign));
}

BestMatch best_of_rows(const at::Tensor& cosines) {
  if (cosines.size(1) == 0) throw Error("best_match: the second dictionary has no rows");
  const auto [best, partner] = at::max(cosines, 1);
  return {best, partner};
}

double mmcs(const at::Tensor& a, const at::Tensor& b, Sign sign) {
  return mean_or_nan(best_match(a, b, sign).cosine);
}

double share_above(const at::Tensor& best, double threshold) {
  return mean_or_nan((best > threshold).to(at::kDouble));
}

Matching match(const at::Tensor& a, const at::Tensor& b, Sign sign) {
  return match_pairs(cosines(a, b, sign));
}

Matching match_pairs(const at::Tensor& cosines) {
  const bool turned = cosines.size(0) > cosines.size(1);
  const at::Tensor wide = turned ? cosines.t().contiguous() : cosines;
  const at::Tensor columns = ops::assign_maximum(wide);
  const at::Tensor rows = at::arange(wide.size(0), at::TensorOptions().dtype(at::kLong));
  const at::Tensor cosine = wide.gather(1, columns.unsqueeze(1)).squeeze(1);
  return turned ? Matching{columns, rows, cosine} : Matching{rows, columns, cosine};
}

double mean_matched_cosine(const at::Tensor& a, const at::Tensor& b, Sign sign) {
  return mean_or_nan(match(a, b, sign).cosine);
}

double uniqueness(const at::Tensor& partner) {
  if (partner.numel() == 0) return std::numeric_limits<double>::quiet_NaN();
  const at::Tensor distinct = std::get<0>(at::_unique(partner));
  return static_cast<double>(distinct.numel()) / static_cast<double>(partner.numel());
}

}  // namespace saffron::inline sdk_v1::metrics
