#pragma once

#include <saffron/error.h>

#include "tests/sdk/ops/encode_reference.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

// What the encoders' tests expect of a result.

namespace saffron::test {

template <class Call>
void expect_nan_at(std::int64_t row, std::int64_t latent, Call&& call) {
  try {
    call();
    FAIL() << "NaN was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_EQ(error.message(),
              cat("the pre-activation of row ", row, ", latent ", latent, " is NaN"));
  }
}

// Calls encode(x, W, b) with a NaN in several places; it has to name the first.
template <class Encode>
void expect_names_nan(Encode&& encode) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const auto filled = [&](std::vector<std::int64_t> sizes) { return at::ones(sizes, type); };
    at::Tensor W = filled({2000, 3}), b = filled({2000}), x = filled({700, 3});
    W[1531][1].fill_(nan);
    W[1999][0].fill_(nan);
    expect_nan_at(0, 1531, [&] { encode(x, W, b); });
    b[7].fill_(nan);
    expect_nan_at(0, 7, [&] { encode(x, W, b); });
    x[650].fill_(nan);
    x[301].fill_(nan);
    expect_nan_at(301, 0, [&] { encode(x, filled({2000, 3}), at::Tensor()); });
  }
}

// Calls encode(x, W, b) with one and with two threads; compare(one, two) looks at the results.
template <class Encode, class Compare>
void expect_same_on_two_threads(Encode&& encode, Compare&& compare) {
  const int before = at::get_num_threads();
  const Random random(8);
  for (const std::int64_t B : {1, 90, 601}) {  // less than a chunk and more
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const at::Tensor x = random.fork("x").normal_rows(0, B, 67, type);
      const at::Tensor W = random.fork("W").normal_rows(0, 2300, 67, type);
      const at::Tensor b = random.fork("b").normal_rows(0, 1, 2300, type)[0];
      at::set_num_threads(1);
      const auto one = encode(x, W, b);
      at::set_num_threads(2);
      const auto two = encode(x, W, b);
      compare(one, two);
    }
  }
  at::set_num_threads(before);
}

inline void expect_same(const Codes& one, const Codes& two) {
  EXPECT_TRUE(at::equal(one.values(), two.values()));
  EXPECT_TRUE(at::equal(one.indices(), two.indices()));
  if (one.layout() == Codes::Layout::csr) {
    EXPECT_TRUE(at::equal(one.offsets(), two.offsets()));
  }
}

// csr codes hold exactly these entries, which are in the order of rows and latents.
inline void expect_entries(const Codes& codes, const std::vector<Chosen>& want, std::int64_t B) {
  ASSERT_EQ(codes.rows(), B);
  const at::Tensor offsets = codes.offsets(), values = codes.values().to(at::kDouble);
  const auto* const offset = offsets.const_data_ptr<std::int32_t>();
  const auto* const latent = codes.indices().const_data_ptr<std::int32_t>();
  ASSERT_EQ(offset[0], 0);
  ASSERT_EQ(offset[B], static_cast<std::int64_t>(want.size()));
  ASSERT_GE(codes.values().size(0), offset[B]);
  EXPECT_EQ(codes.overflow().item<int>(), 0);
  std::size_t e = 0;
  for (std::int64_t r = 0; r < B; ++r) {
    for (; static_cast<std::int32_t>(e) < offset[r + 1]; ++e) {
      ASSERT_EQ(want[e].row, r) << "entry " << e;
      ASSERT_EQ(want[e].latent, latent[e]) << "entry " << e;
      ASSERT_EQ(want[e].value, values.const_data_ptr<double>()[e]) << "entry " << e;
    }
  }
}

}  // namespace saffron::test
