#include <saffron/error.h>
#include <saffron/random.h>

#include <gtest/gtest.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>

#include <cmath>
#include <set>
#include <vector>

namespace {

using saffron::Permutation;
using saffron::philox;
using saffron::Random;
using Words = std::array<std::uint32_t, 4>;

// Random123's kat_vectors, philox4x32 10.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox(0, 0, 0), (Words{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  const std::uint64_t ones = ~std::uint64_t{0};
  EXPECT_EQ(philox(ones, ones, ones), (Words{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(philox(0x299f31d0a4093822ull, 0x85a308d3243f6a88ull, 0x0370734413198a2eull),
            (Words{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(Random, ForksDifferFromEachOtherAndFromTheirDraws) {
  const Random random(7);
  std::set<std::uint64_t> keys{random.key()};
  const std::vector<std::string> texts = {"",
                                          "a",
                                          "b",
                                          "ab",
                                          "init",
                                          "init ",
                                          std::string("init\0", 5),
                                          "exactly8",
                                          "exactly8 and more"};
  for (const auto& text : texts) keys.insert(random.fork(text).key());
  for (std::uint64_t n = 0; n < 100; ++n) {
    keys.insert(random.fork(n).key());
    keys.insert(random.fork("init").fork(n).key());
    keys.insert(random.bits(n));
  }
  EXPECT_EQ(keys.size(), 1 + texts.size() + 300);
  EXPECT_EQ(random.fork("init").fork(3).key(), Random(7).fork("init").fork(3).key());
  EXPECT_NE(random.fork("init").key(), Random(8).fork("init").key());
}

TEST(Random, RowsHoldTheScalarDraws) {
  const Random random(11);
  for (const std::int64_t width : {1, 3, 4, 255, 256, 257, 600}) {
    const auto u = random.uniform_rows(5, 3, width, at::kDouble);
    const auto n = random.normal_rows(5, 3, width, at::kDouble);
    const auto uf = random.uniform_rows(5, 3, width), nf = random.normal_rows(5, 3, width);
    const auto ua = u.accessor<double, 2>(), na = n.accessor<double, 2>();
    const auto ufa = uf.accessor<float, 2>(), nfa = nf.accessor<float, 2>();
    for (std::int64_t r = 0; r < 3; ++r) {
      for (std::int64_t j = 0; j < width; ++j) {
        const auto row = static_cast<std::uint64_t>(5 + r), draw = static_cast<std::uint64_t>(j);
        ASSERT_EQ(ua[r][j], random.uniform(row, draw));
        ASSERT_EQ(na[r][j], random.normal(row, draw));
        ASSERT_EQ(ufa[r][j], std::floor(ua[r][j] * 0x1p24) * 0x1p-24);  // cut to 24 bits
        ASSERT_NEAR(nfa[r][j], na[r][j], 3e-6 + 1e-6 * std::abs(na[r][j])) << r << " " << j;
      }
    }
  }
}

TEST(Random, RowsDoNotDependOnTheBatch) {
  const Random random(3);
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    for (const bool normal : {false, true}) {
      const auto rows = [&](std::int64_t first, std::int64_t count, std::int64_t width) {
        return normal ? random.normal_rows(first, count, width, dtype)
                      : random.uniform_rows(first, count, width, dtype);
      };
      const auto whole = rows(0, 64, 300);
      EXPECT_TRUE(
          at::equal(at::cat({rows(0, 7, 300), rows(7, 40, 300), rows(47, 17, 300)}), whole));
      EXPECT_TRUE(at::equal(rows(0, 64, 5), whole.slice(1, 0, 5)));  // nor on the width
    }
  }
}

TEST(Random, RowsDoNotDependOnTheNumberOfThreads) {
  const Random random(3);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = random.normal_rows(100, 200, 300);
  at::set_num_threads(3);
  const auto three = random.normal_rows(100, 200, 300);
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one, three));
}

// Standard errors of the k-th moments' estimates are known, so the bounds are 5 of them.
TEST(Random, NormalMoments) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const std::int64_t count = 1'000'000;
    const auto x = Random(5).normal_rows(0, count / 500, 500, dtype).to(at::kDouble);
    const double s = 5 / std::sqrt(static_cast<double>(count));
    EXPECT_NEAR(x.mean().item<double>(), 0, s);
    EXPECT_NEAR(x.square().mean().item<double>(), 1, s * std::sqrt(2));
    EXPECT_NEAR(x.pow(3).mean().item<double>(), 0, s * std::sqrt(15));
    EXPECT_NEAR(x.pow(4).mean().item<double>(), 3, s * std::sqrt(96));
    // Both of a pair, and neighbours, are uncorrelated.
    const auto left = x.slice(1, 0, 499), right = x.slice(1, 1, 500);
    EXPECT_NEAR((left * right).mean().item<double>(), 0, s);
    EXPECT_NEAR(x.abs().gt(3).to(at::kDouble).mean().item<double>(), 0.0026998, s * 0.052);
  }
}

// Pearson's statistic over `counts`, and the 99.99 % point of chi-square (Wilson, Hilferty 1931).
void expect_even(const std::vector<double>& counts, double total) {
  const double expected = total / static_cast<double>(counts.size());
  double statistic = 0;
  for (const double c : counts) statistic += (c - expected) * (c - expected) / expected;
  const double k = static_cast<double>(counts.size() - 1);
  const double bound = k * std::pow(1 - 2 / (9 * k) + 3.719 * std::sqrt(2 / (9 * k)), 3);
  EXPECT_LT(statistic, bound);
}

TEST(Random, UniformsAreEven) {
  const auto u = Random(9).uniform_rows(0, 1000, 256);
  EXPECT_GE(u.min().item<float>(), 0.0f);
  EXPECT_LT(u.max().item<float>(), 1.0f);
  std::vector<double> counts(100), pairs(256);
  const float* p = u.const_data_ptr<float>();
  for (std::int64_t i = 0; i < u.numel(); ++i) counts[static_cast<std::size_t>(p[i] * 100)] += 1;
  for (std::int64_t i = 0; i + 1 < u.numel(); i += 2) {
    pairs[static_cast<std::size_t>(p[i] * 16) * 16 + static_cast<std::size_t>(p[i + 1] * 16)] += 1;
  }
  expect_even(counts, static_cast<double>(u.numel()));
  expect_even(pairs, static_cast<double>(u.numel() / 2));
}

TEST(Random, BelowIsEvenAndInRange) {
  const Random random(13);
  for (const std::uint64_t bound : {1ull, 2ull, 7ull, 12ull, 1000ull}) {
    std::vector<double> counts(bound);
    const int total = 20000;
    for (int i = 0; i < total; ++i) {
      const std::uint64_t n = random.below(bound, static_cast<std::uint64_t>(i), bound);
      ASSERT_LT(n, bound);
      counts[n] += 1;
    }
    if (bound > 1) expect_even(counts, total);
  }
  // Two thirds of 2^64 are rejected with probability 1/3: both halves of the range stay even.
  const std::uint64_t large = 0xAAAAAAAAAAAAAAABull;
  double upper = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const std::uint64_t n = random.below(large, i);
    ASSERT_LT(n, large);
    upper += n >= large / 2 ? 1 : 0;
  }
  EXPECT_NEAR(upper / 20000, 0.5, 5 * 0.5 / std::sqrt(20000.0));
  EXPECT_THROW((void)random.below(0, 1), saffron::Error);
}

TEST(Random, RefusesWhatItCannotMake) {
  EXPECT_THROW((void)Random(1).uniform_rows(-1, 2, 2), saffron::Error);
  EXPECT_THROW((void)Random(1).normal_rows(0, 2, 2, at::kInt), saffron::Error);
  EXPECT_EQ(Random(1).normal_rows(0, 0, 5).sizes(), (at::IntArrayRef{0, 5}));
  EXPECT_EQ(Random(1).normal_rows(0, 5, 0).sizes(), (at::IntArrayRef{5, 0}));
}

TEST(Permutation, IsABijectionOfEverySize) {
  std::vector<std::uint64_t> sizes = {255, 256, 257, 1000, 4095, 4096, 4097, 50021};
  for (std::uint64_t n = 1; n <= 70; ++n) sizes.push_back(n);
  for (const std::uint64_t size : sizes) {
    const Permutation permutation(Random(size), size);
    std::vector<char> seen(size, 0);
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint64_t image = permutation(i);
      ASSERT_LT(image, size);
      ASSERT_EQ(seen[image], 0) << "size " << size;
      seen[image] = 1;
    }
    EXPECT_THROW((void)permutation(size), saffron::Error);
  }
}

TEST(Permutation, SpreadsAndDependsOnItsKey) {
  const std::uint64_t size = 4096;
  const Permutation a(Random(1), size), b(Random(2), size);
  double same = 0, fixed = 0, correlation = 0;
  std::vector<double> quarters(16);
  for (std::uint64_t i = 0; i < size; ++i) {
    same += a(i) == b(i) ? 1 : 0;
    fixed += a(i) == i ? 1 : 0;
    quarters[4 * (4 * i / size) + 4 * a(i) / size] += 1;
    correlation += (static_cast<double>(i) / size - 0.5) * (static_cast<double>(a(i)) / size - 0.5);
  }
  EXPECT_LT(same, 12);  // Poisson of mean 1
  EXPECT_LT(fixed, 12);
  EXPECT_LT(std::abs(correlation / size * 12), 5 / std::sqrt(4096.0));
  expect_even(quarters, size);
}

TEST(Permutation, WorksAtTheEndOfTheRange) {
  const Permutation permutation(Random(1), ~std::uint64_t{0});
  EXPECT_LT(permutation(~std::uint64_t{0} - 1), ~std::uint64_t{0});
  EXPECT_NE(permutation(0), permutation(1));
}

}  // namespace
