#include <saffron/error.h>
#include <saffron/init.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

namespace saffron::inline sdk_v1::init {

at::Tensor unit_rows(Random random, std::int64_t rows, std::int64_t width, at::ScalarType dtype) {
  at::Tensor w = at::empty({rows, width}, dtype);
  fill_unit_rows(random, 1, w);
  return w;
}

void fill_unit_rows(Random random, double norm, at::Tensor W) {
  constexpr std::int64_t kRows = 1024;  // at a time: W may be most of the memory that there is
  for (std::int64_t first = 0; first < W.size(0); first += kRows) {
    const std::int64_t rows = std::min(kRows, W.size(0) - first);
    const at::Tensor w = random.normal_rows(first, rows, W.size(1), W.scalar_type());
    W.slice(0, first, first + rows).copy_(w / w.norm(2, at::IntArrayRef{1}, true) * norm);
  }
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
  // distances(rows - centre, their norms) in double precision, for few rows at a time.
  const auto each = [&x](const at::Tensor& centre, auto&& distances) {
    constexpr std::int64_t kRows = 256;
    for (std::int64_t first = 0; first < x.size(0); first += kRows) {
      const at::Tensor rows = x.slice(0, first, std::min(first + kRows, x.size(0)));
      const at::Tensor apart = rows.to(at::kDouble) - centre;
      distances(apart, apart.norm(2, at::IntArrayRef{1}));
    }
  };
  at::Tensor centre = x.mean(at::IntArrayRef{0}, false, at::kDouble);
  double scale = 0;
  each(centre, [&](const at::Tensor&, const at::Tensor& norms) {
    scale += norms.sum().item<double>() / static_cast<double>(x.size(0));
  });
  if (scale == 0) return centre.to(x.scalar_type());  // all rows are equal
  for (int round = 0; round < 100; ++round) {
    at::Tensor step = at::zeros_like(centre);
    double weights = 0;
    each(centre, [&](const at::Tensor& apart, const at::Tensor& norms) {
      const at::Tensor weight = norms.clamp_min(1e-12 * scale).reciprocal();
      step += at::mv(apart.t(), weight);
      weights += weight.sum().item<double>();
    });
    step /= weights;
    centre += step;
    if (step.norm().item<double>() <= 1e-6 * scale) break;
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
