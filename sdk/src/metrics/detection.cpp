#include <saffron/error.h>
#include <saffron/metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

namespace saffron::inline sdk_v1::metrics {
namespace {

// Counts, by latent, the entries of sparse codes that fire where the latent's feature is present.
void count_entries(const Codes& codes, const at::Tensor& is_present, const at::Tensor& partner,
                   std::int64_t* true_positive) {
  const at::Tensor indices = codes.indices().contiguous();
  const at::Tensor values = codes.values().detach().to(at::kDouble).contiguous();
  const auto present = is_present.accessor<bool, 2>();
  const auto feature = partner.accessor<std::int64_t, 1>();
  const std::int32_t* latent = indices.const_data_ptr<std::int32_t>();
  const double* value = values.const_data_ptr<double>();
  const bool csr = codes.layout() == Codes::Layout::csr;
  const at::Tensor offsets = csr ? codes.offsets().contiguous() : at::Tensor();
  const std::int32_t* offset = csr ? offsets.const_data_ptr<std::int32_t>() : nullptr;
  const std::int64_t k = csr ? 0 : codes.values().size(1);
  for (std::int64_t r = 0; r < codes.rows(); ++r) {
    const std::int64_t begin = csr ? offset[r] : r * k, end = csr ? offset[r + 1] : (r + 1) * k;
    for (std::int64_t e = begin; e < end; ++e) {
      if (value[e] != 0 && present[r][feature[latent[e]]]) ++true_positive[latent[e]];
    }
  }
}

at::Tensor ratio(const at::Tensor& numerator, const at::Tensor& denominator) {
  const at::Tensor n = numerator.to(at::kDouble), d = denominator.to(at::kDouble);
  return at::where(d > 0, n / at::where(d > 0, d, 1.0), 0.0);
}

}  // namespace

Detection count_detections(const Codes& codes, const at::Tensor& coefficients,
                           const at::Tensor& partner) {
  if (coefficients.dim() != 2 || coefficients.size(0) != codes.rows()) {
    throw Error(cat("count_detections: coefficients ", coefficients.sizes(), " for ", codes.rows(),
                    " rows of codes"));
  }
  if (partner.dim() != 1 || partner.size(0) != codes.latents()) {
    throw Error(
        cat("count_detections: partner ", partner.sizes(), " for ", codes.latents(), " latents"));
  }
  const c10::AutoGradMode no_grad(false);
  const at::Tensor present = (coefficients != 0).contiguous();
  Detection counts;
  counts.fired = codes.firing_counts();
  counts.present = present.sum(0, false, at::kLong).index_select(0, partner);
  if (codes.layout() == Codes::Layout::dense) {
    const at::Tensor fires = codes.values() != 0;
    counts.true_positive = (fires & present.index_select(1, partner)).sum(0, false, at::kLong);
  } else {
    counts.true_positive = at::zeros({codes.latents()}, at::TensorOptions().dtype(at::kLong));
    count_entries(codes, present, partner, counts.true_positive.mutable_data_ptr<std::int64_t>());
  }
  return counts;
}

DetectionScores detection_scores(const Detection& counts) {
  return {ratio(counts.true_positive, counts.fired), ratio(counts.true_positive, counts.present),
          ratio(2 * counts.true_positive, counts.fired + counts.present)};
}

}  // namespace saffron::inline sdk_v1::metrics
