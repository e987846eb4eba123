#pragma once

#include <saffron/pursuit.h>
#include <saffron/random.h>

#include "tests/sdk/ops/inputs.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

// Inputs for tests of matching pursuit.

namespace saffron::test {

inline at::Tensor unit(std::uint64_t seed, std::int64_t rows, std::int64_t d,
                       at::ScalarType dtype = at::kDouble) {
  const at::Tensor w = Random(seed).normal_rows(0, rows, d, at::kDouble);
  return (w / w.norm(2, at::IntArrayRef{1}, true)).to(dtype);
}

// One random call of pursue(), float64. Matrices may be strided or not aligned.
struct PursuitCase {
  at::Tensor x, W;
  ops::PursuitOptions options;
};

// Rows of any length, which are no multiple of a vector's; one row, k = 1 and k as large as it can be.
inline PursuitCase pursuit_case(std::uint64_t n, bool orthogonal) {
  const Random random = Random(41).fork(n);
  const auto upto = [&](std::uint64_t most, std::uint64_t draw) {
    return static_cast<std::int64_t>(random.below(most, 0, draw)) + 1;
  };
  const std::int64_t F = upto(n % 100 == 0 ? 1200 : 40, 0), d = upto(24, 1);
  const std::int64_t B = n % 9 == 0 ? 1 : upto(n % 50 == 0 ? 80 : 5, 2), most = std::min(F, d);
  const auto laid_out = [&](const at::Tensor& of, std::uint64_t draw) {
    return test::laid_out(of, random.below(test::kLayouts, 0, draw));
  };
  PursuitCase made;
  made.x = laid_out(random.fork("x").normal_rows(0, B, d, at::kDouble), 4);
  made.W = laid_out(unit(random.fork("W").key(), F, d), 5);
  made.options.k = n % 10 == 0 ? most : n % 10 == 1 ? 1 : std::min(upto(8, 3), most);
  made.options.orthogonal = orthogonal;
  made.options.tolerance = n % 3 == 0 ? 0.8 * std::sqrt(static_cast<double>(d)) : 0;
  made.options.stop_at_repeat = n % 4 < 2;
  return made;
}

}  // namespace saffron::test
