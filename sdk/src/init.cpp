#include <saffron/error.h>
#include <saffron/init.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

namespace saffron::inline sdk_v1::init {

at::Tensor unit_rows(Random random, std::int64_t rows, std::int64_t width, at::ScalarType dtype) {
  const at::Tensor w = random.normal_rows(0, rows, width, dtype);
  return w / w.norm(2, at::IntArrayRef{1}, true);
}

at::Tensor geometric_median(const at::Tensor& x) {
  const at::Tensor rows = x.to(at::kDouble);
  at::Tensor centre = rows.mean(0);
  const double scale = (rows - centre).norm(2, at::IntArrayRef{1}).mean().item<double>();
  if (scale == 0) return centre.to(x.scalar_type());  // all rows are equal
  for (int round = 0; round < 100; ++round) {
    const at::Tensor distance =
        (rows - centre).norm(2, at::IntArrayRef{1}).clamp_min(1e-12 * scale);
    const at::Tensor weight = distance.reciprocal();
    const at::Tensor next = (rows * weight.unsqueeze(1)).sum(0) / weight.sum();
    const double moved = (next - centre).norm().item<double>();
    centre = next;
    if (moved <= 1e-6 * scale) break;
  }
  return centre.to(x.scalar_type());
}

at::Tensor centre(const std::string& method, const at::Tensor& x) {
  if (method == "mean") return x.mean(0);
  if (method == "geometric_median") return geometric_median(x);
  if (method == "zero") return at::zeros({x.size(1)}, x.options());
  throw Error(cat("'", method, "' is not zero, mean or geometric_median"));
}

}  // namespace saffron::inline sdk_v1::init
