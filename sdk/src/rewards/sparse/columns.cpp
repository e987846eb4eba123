#include "src/rewards/sparse/columns.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

namespace saffron::inline sdk_v1::rewards::columns {

Numbers dots(const at::Tensor& a, const at::Tensor& b) {
  const std::int64_t K = a.size(1);
  const double *x = a.const_data_ptr<double>(), *y = b.const_data_ptr<double>();
  return reduce(a.size(0), K, [=](std::int64_t begin, std::int64_t end, double* sums) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t k = 0; k < K; ++k) sums[k] += x[i * K + k] * y[i * K + k];
    }
  });
}

Numbers sums_of_sizes(const at::Tensor& x) {
  const std::int64_t K = x.size(1);
  const double* p = x.const_data_ptr<double>();
  return reduce(x.size(0), K, [=](std::int64_t begin, std::int64_t end, double* sums) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t k = 0; k < K; ++k) sums[k] += std::abs(p[i * K + k]);
    }
  });
}

at::Tensor means(const at::Tensor& weights, const at::Tensor& x) {
  const std::int64_t K = x.size(1);
  const double *w = weights.const_data_ptr<double>(), *p = x.const_data_ptr<double>();
  return tensor(reduce(x.size(0), K, [=](std::int64_t begin, std::int64_t end, double* sums) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t k = 0; k < K; ++k) sums[k] += w[i] * p[i * K + k];
    }
  }));
}

at::Tensor combined(const at::Tensor& x, const at::Tensor& factors) {
  at::Tensor out = x.select(1, 0) * factors[0];
  for (std::int64_t k = 1; k < x.size(1); ++k) out += x.select(1, k) * factors[k];
  return out.contiguous();
}

void combine(const Numbers& u, const at::Tensor& x, const Numbers& v, const at::Tensor& y) {
  const std::int64_t K = x.size(1);
  const double *from = x.const_data_ptr<double>(), *a = u.data(), *b = v.data();
  double* to = y.mutable_data_ptr<double>();
  at::parallel_for(0, x.size(0), kRows, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t k = 0; k < K; ++k) {
        to[i * K + k] = a[k] * from[i * K + k] + b[k] * to[i * K + k];
      }
    }
  });
}

at::Tensor tensor(const Numbers& numbers) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(numbers.size())}, at::kDouble);
  std::copy(numbers.begin(), numbers.end(), out.mutable_data_ptr<double>());
  return out;
}

Numbers numbers(const at::Tensor& tensor) {
  const at::Tensor whole = tensor.contiguous();
  const double* p = whole.const_data_ptr<double>();
  return {p, p + whole.numel()};
}

at::Tensor largest(const at::Tensor& x) { return x.abs().amax(0); }

}  // namespace saffron::inline sdk_v1::rewards::columns
