#pragma once

#include <saffron/error.h>
#include <saffron/ops.h>
#include <saffron/random.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

// Inputs of the encoders whose pre-activations are exact in float32, so that results can be
// compared bit by bit with a naive reference in double precision: whole numbers, scales that are
// powers of two.

namespace saffron::test {

struct EncodeCase {
  at::Tensor x, W, b, scale;           // b and scale may be undefined
  std::vector<std::vector<double>> a;  // the reference's pre-activations
  std::int64_t k = 1;
  [[nodiscard]] std::int64_t B() const { return x.size(0); }
  [[nodiscard]] std::int64_t F() const { return W.size(0); }
};

// Whole numbers in [-most, most].
inline at::Tensor whole_numbers(const Random& random, std::int64_t rows, std::int64_t columns,
                                std::uint64_t most) {
  at::Tensor made = at::empty({rows, columns}, at::kDouble);
  auto* const at = made.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < made.numel(); ++i) {
    at[i] = static_cast<double>(random.below(2 * most + 1, static_cast<std::uint64_t>(i), 0)) -
            static_cast<double>(most);
  }
  return made;
}

// The same matrix, laid out in memory as the number says.
inline at::Tensor laid_out(const at::Tensor& matrix, std::uint64_t how) {
  const std::int64_t rows = matrix.size(0), columns = matrix.size(1);
  at::Tensor view;
  if (how == 1) {  // part of wider rows, from an odd place on
    view = at::zeros({rows, columns + 3}, matrix.options()).slice(1, 1, columns + 1);
  } else if (how == 2) {  // column by column
    view = at::zeros({columns, rows}, matrix.options()).t();
  } else if (how == 3) {  // without gaps, but not aligned
    view = at::zeros({rows * columns + 1}, matrix.options()).slice(0, 1).view({rows, columns});
  } else {
    return matrix;
  }
  view.copy_(matrix);
  return view;
}

inline std::vector<std::vector<double>> naive_products(const EncodeCase& c) {
  const at::Tensor x = c.x.to(at::kDouble).contiguous(), W = c.W.to(at::kDouble).contiguous();
  const std::int64_t d = x.size(1);
  std::vector<std::vector<double>> a;
  for (std::int64_t r = 0; r < c.B(); ++r) {
    std::vector<double> row;
    for (std::int64_t i = 0; i < c.F(); ++i) {
      double sum = c.b.defined() ? c.b[i].item<double>() : 0;
      const double* const w = W.const_data_ptr<double>() + i * d;
      const double* const v = x.const_data_ptr<double>() + r * d;
      for (std::int64_t j = 0; j < d; ++j) sum += v[j] * w[j];
      row.push_back(c.scale.defined() ? sum * c.scale[i].item<double>() : sum);
    }
    a.push_back(std::move(row));
  }
  return a;
}

// Shapes small enough for a thousand; a few go over the edge of a tile or of a chunk of rows.
inline EncodeCase random_case(std::uint64_t trial) {
  const Random random = Random(11).fork(trial);
  const auto pick = [&](std::uint64_t draw, std::uint64_t bound) {
    return static_cast<std::int64_t>(1 + random.below(bound, 0, draw));
  };
  const std::int64_t d = pick(0, 33);
  std::int64_t B = pick(1, 4), F = pick(2, 130);
  if (trial % 50 == 7) F = pick(2, 2500);
  if (trial % 50 == 8) B = pick(1, 600), F = pick(2, 20);
  const std::uint64_t most = trial % 2 == 0 ? 2 : 500;  // many ties, or few
  const auto type = trial % 4 < 2 ? at::kFloat : at::kDouble;
  EncodeCase c;
  c.x = laid_out(whole_numbers(random.fork("x"), B, d, most).to(type), random.below(4, 0, 3));
  c.W = laid_out(whole_numbers(random.fork("W"), F, d, most).to(type), random.below(4, 0, 4));
  if (trial % 3 != 0) {
    c.b = laid_out(whole_numbers(random.fork("b"), 1, F, most).to(type), random.below(4, 0, 5))[0];
  }
  if (trial % 5 == 0) {
    c.scale = whole_numbers(random.fork("s"), 1, F, 2).exp2().to(type)[0];
  }
  c.k = trial % 10 == 0 ? F : trial % 10 == 1 ? 1 : pick(6, static_cast<std::uint64_t>(F));
  c.a = naive_products(c);
  return c;
}

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

// An entry of the reference's selection.
struct Chosen {
  std::int64_t row, latent;
  double value;
};

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
