#include <saffron/error.h>
#include <saffron/init.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace saffron::inline sdk_v1::init {

at::Tensor unit_rows(Random random, std::int64_t rows, std::int64_t width, at::ScalarType dtype) {
  const at::Tensor w = random.normal_rows(0, rows, width, dtype);
  return w / w.norm(2, at::IntArrayRef{1}, true);
}

void data_rows(Random random, const at::Tensor& x, double norm, at::Tensor W) {
  const at::Tensor norms = x.norm(2, at::IntArrayRef{1});
  const at::Tensor usable = norms.gt(0).nonzero().flatten();
  const auto count = static_cast<std::uint64_t>(usable.size(0));
  if (count == 0) return;
  const auto wanted = std::min<std::int64_t>(W.size(0), usable.size(0));
  const Permutation order(random, count);
  const std::int64_t* from = usable.const_data_ptr<std::int64_t>();
  at::Tensor rows = at::zeros({wanted}, at::kLong);
  for (std::int64_t i = 0; i < wanted; ++i) {
    rows.mutable_data_ptr<std::int64_t>()[i] = from[order(static_cast<std::uint64_t>(i))];
  }
  W.slice(0, 0, wanted)
      .copy_(x.index_select(0, rows) * (norm / norms.index_select(0, rows)).unsqueeze(1));
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
