#include "tests/sdk/ops/screened_cases.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>

// Encoders over shapes that are screened: what they return must not show it.

using namespace saffron;
using namespace saffron::test;
using ops::Keep;

namespace {

class Screened : public OnUnit {};
SAFFRON_ON_UNITS(Screened);

// Whole numbers that bfloat16 rounds and float32 sums exactly, in tiles that are full and that are not.
EncodeCase screened_case(std::uint64_t trial) {
  const Random random = Random(31).fork(trial);
  const auto pick = [&](std::uint64_t draw, std::int64_t least, std::uint64_t range) {
    return least + static_cast<std::int64_t>(random.below(range, 0, draw));
  };
  const std::int64_t B = pick(0, 32, 50), F = pick(1, 256, 1200);
  const std::int64_t d = trial % 8 == 5 ? 64 : trial % 8 == 6 ? 130 : pick(2, 32, 20);
  const std::uint64_t most = trial % 4 == 0 ? 3 : 390;  // many ties, or few
  EncodeCase c;
  c.x = laid_out(whole_numbers(random.fork("x"), B, d, most).to(at::kFloat),
                 random.below(kLayouts, 0, 3));
  c.W = laid_out(whole_numbers(random.fork("W"), F, d, most).to(at::kFloat),
                 random.below(kLayouts, 0, 4));
  if (trial % 3 != 0) c.b = whole_numbers(random.fork("b"), 1, F, most).to(at::kFloat)[0];
  if (trial % 5 == 0) {
    c.scale = whole_numbers(random.fork("s"), 1, F, 2).exp2().to(at::kFloat)[0];
    if (trial % 10 == 0) c.scale[F / 2].neg_();  // which is not screened
  }
  if (trial % 7 == 0) c.x[3].zero_();
  c.k = trial % 6 == 0 ? 1 : pick(5, 1, static_cast<std::uint64_t>(F / 16));
  c.a = naive_products(c);
  return c;
}

std::vector<Chosen> sorted_row(const EncodeCase& c, std::int64_t r, Keep keep) {
  std::vector<Chosen> row;
  for (std::int64_t i = 0; i < c.F(); ++i) {
    row.push_back({r, i, c.a[static_cast<std::size_t>(r)][static_cast<std::size_t>(i)]});
  }
  const auto rank = [keep](const Chosen& e) {
    return keep == Keep::magnitude ? std::abs(e.value) : e.value;
  };
  std::stable_sort(row.begin(), row.end(),
                   [&](const Chosen& a, const Chosen& b) { return rank(a) > rank(b); });
  return row;
}

void expect_topk(const EncodeCase& c) {
  for (const Keep keep : {Keep::signed_values, Keep::rectified, Keep::magnitude}) {
    const Codes codes = ops::encode_topk(c.x, c.W, c.b, c.k, keep, {}, c.scale);
    for (std::int64_t r = 0; r < c.B(); ++r) {
      const std::vector<Chosen> want = sorted_row(c, r, keep);
      const auto* latent = codes.indices().const_data_ptr<std::int32_t>() + r * c.k;
      const auto* value = codes.values().const_data_ptr<float>() + r * c.k;
      for (std::int64_t i = 0; i < c.k; ++i) {
        const auto& [row, place, a] = want[static_cast<std::size_t>(i)];
        ASSERT_EQ(latent[i], place) << "row " << r << ", " << i;
        ASSERT_EQ(value[i], keep == Keep::rectified ? std::max(a, 0.0) : a);
      }
    }
  }
}

// Bounds that `quantile` of the first row's entries do not pass.
void expect_above(const EncodeCase& c, double quantile) {
  std::vector<Chosen> first = sorted_row(c, 0, Keep::signed_values);
  at::Tensor bounds =
      at::full({c.F()}, first[static_cast<std::size_t>((1 - quantile) * (c.F() - 1))].value);
  bounds[1].add_(50);
  const at::Tensor least = bounds.to(at::kDouble);
  std::vector<Chosen> want;
  for (std::int64_t r = 0; r < c.B(); ++r) {
    for (std::int64_t i = 0; i < c.F(); ++i) {
      const double a = c.a[static_cast<std::size_t>(r)][static_cast<std::size_t>(i)];
      if (a > least.const_data_ptr<double>()[i]) want.push_back({r, i, a});
    }
  }
  expect_entries(ops::encode_above(c.x, c.W, c.b, bounds.to(at::kFloat), c.scale), want, c.B());
}

void expect_batch_topk(const EncodeCase& c) {
  std::vector<Chosen> all;
  for (std::int64_t r = 0; r < c.B(); ++r) {
    for (const Chosen& e : sorted_row(c, r, Keep::signed_values)) {
      if (e.value > 0) all.push_back(e);
    }
  }
  std::sort(all.begin(), all.end(), [](const Chosen& a, const Chosen& b) {
    if (a.value != b.value) return a.value > b.value;
    return a.row != b.row ? a.row < b.row : a.latent < b.latent;
  });
  all.resize(std::min(all.size(), static_cast<std::size_t>(c.k * c.B())));
  const double smallest = all.empty() ? 0 : all.back().value;
  std::sort(all.begin(), all.end(), [](const Chosen& a, const Chosen& b) {
    return a.row != b.row ? a.row < b.row : a.latent < b.latent;
  });
  for (const double hint : {0.0, smallest, smallest * 0.75, smallest * 1.5}) {
    const ops::BatchTopk got = ops::encode_batch_topk(c.x, c.W, c.b, c.k, c.scale, hint);
    expect_entries(got.codes, all, c.B());
    EXPECT_EQ(got.smallest, smallest) << "hint " << hint;
  }
}

TEST_P(Screened, TopkEqualsAFullSort) {
  for (std::uint64_t trial = 0; trial < trials(); ++trial) {
    expect_topk(screened_case(trial));
    if (HasFailure()) FAIL() << "trial " << trial;
  }
}

TEST_P(Screened, AboveEqualsANaiveLoop) {
  for (std::uint64_t trial = 0; trial < trials(); ++trial) {
    // From all entries to few of them; some bounds are equal to an entry.
    expect_above(screened_case(trial), std::array{0.0, 0.5, 0.9, 0.99}[trial % 4]);
    if (HasFailure()) FAIL() << "trial " << trial;
  }
}

TEST_P(Screened, BatchTopkEqualsASortWhateverTheHint) {
  for (std::uint64_t trial = 0; trial < trials(); ++trial) {
    expect_batch_topk(screened_case(trial));
    if (HasFailure()) FAIL() << "trial " << trial;
  }
}

// Rows of 8 kinds, of numbers whose products float32 sums exactly.
EncodeCase adversarial_case(std::int64_t d) {
  const Random random = Random(19).fork(static_cast<std::uint64_t>(d));
  EncodeCase c;
  c.x = whole_numbers(random.fork("x"), 40, d, 3).to(at::kFloat);
  c.W = whole_numbers(random.fork("W"), 600, d, 3).to(at::kFloat);
  const auto every_eighth = [&](std::int64_t from) { return c.x.slice(0, from, 40, 8); };
  every_eighth(0).slice(1, 0, 1).fill_(0x1p20);  // one huge coordinate
  every_eighth(1).fill_(1);
  every_eighth(2).zero_();
  every_eighth(3).mul_(0x1p-140);  // denormal
  every_eighth(4).sub_(3).clamp_max_(-0.0);
  every_eighth(4).slice(1, 0, {}, 2).fill_(-0.0);
  every_eighth(5).sign_();
  every_eighth(6).mul_(0x1p60);
  c.W.slice(0, 300).copy_(c.W.slice(0, 0, 300));  // ties
  c.W[5].zero_();
  c.W[6].fill_(-0.0);
  c.W[7][1].fill_(0x1p12);
  c.W[8].fill_(2);
  c.k = 20;
  c.a = naive_products(c);
  return c;
}

TEST_P(Screened, RowsOfEveryKind) {
  for (const std::int64_t d : {33, 63, 64, 100, 192}) {
    const EncodeCase c = adversarial_case(d);
    expect_topk(c);
    for (const double quantile : {0.2, 0.9}) expect_above(c, quantile);
    expect_batch_topk(c);
    if (HasFailure()) FAIL() << "d = " << d;
  }
}

void expect_all(EncodeCase& c) {
  c.a = naive_products(c);
  expect_topk(c);
  expect_above(c, 0.95);
  expect_batch_topk(c);
}

// Int8 takes all of the others: 127 instead of 127 + 47 with most latents, and less than the 159 of a few.
TEST_P(Screened, ErrorsThatAddUpToTheBound) {
  EncodeCase c = aligned_case(250 * 0x1p-9);
  for (const std::int64_t i : {7, 8, 9, 300}) {
    c.W[i].zero_();
    c.W[i][0].fill_(1.25);
  }
  expect_all(c);
}

// Int8 makes 223 of 127 + 49 with most latents, and 145 of 192 with the best.
TEST_P(Screened, ErrorsThatAddUpAgainstTheGuess) {
  EncodeCase c = aligned_case(261 * 0x1p-9);
  for (const std::int64_t i : {97, 98, 599}) {
    c.W[i].neg_();
    c.W[i][0].fill_(1941 * 0x1p-10);
  }
  expect_all(c);
}

TEST_P(Screened, ColumnsMuchLargerThanTheOthers) {
  const Random random(29);
  for (const std::int64_t large : {1, 7, 40}) {
    EncodeCase c;
    c.x = whole_numbers(random.fork("x"), 70, 130, 3).to(at::kFloat);
    c.W = whole_numbers(random.fork("W"), 700, 130, 3).to(at::kFloat);
    c.x.slice(1, 0, 3 * large, 3).mul_(0x1p12);
    c.k = 20;
    expect_all(c);
    if (HasFailure()) FAIL() << large << " columns";
  }
}

// Rows that differ by less than bfloat16 can tell, beside some that do not; and numbers near both ends
// of the range.
TEST_P(Screened, RowsThatRoundingCannotTellApart) {
  const Random random(5);
  const at::Tensor x = random.fork("x").normal_rows(0, 70, 64, at::kFloat);
  at::Tensor W = random.fork("W").normal_rows(0, 900, 64, at::kFloat);
  W.slice(0, 100, 800)
      .copy_(W.slice(0, 0, 1) + random.fork("near").normal_rows(0, 700, 64, at::kFloat) * 1e-4);
  for (const double size : {1.0, 1e-12, 1e-25, 1e12, 1e18}) {
    const at::Tensor rows = x * size, weights = W * size;
    const at::Tensor a = at::mm(x.to(at::kDouble), W.to(at::kDouble).t());
    const at::Tensor formed = at::mm(rows.to(at::kDouble), weights.to(at::kDouble).t());
    for (const std::int64_t k : {1, 20, 56}) {
      const Codes codes = ops::encode_topk(rows, weights, {}, k, Keep::signed_values);
      // What is left out may exceed what is kept by rounding only.
      at::Tensor rest = a.scatter(1, codes.gather_index(), -1e9);
      const at::Tensor least = std::get<0>(a.gather(1, codes.gather_index()).min(1));
      const at::Tensor missed = std::get<0>(rest.max(1)) - least;
      if (size * size > 1e-37) {
        EXPECT_LT(missed.max().item<double>(), 1e-4) << size << ", k = " << k;
        EXPECT_TRUE(
            codes.values()
                .to(at::kDouble)
                .allclose(formed.gather(1, codes.gather_index()), 1e-5, 1e-4 * size * size));
      }
    }
  }
}

// Which rows are crowded depends on the order in which tiles come: here the first tile has 512 latents that
// cannot be told apart, and the last one what is larger.
TEST_P(Screened, CrowdedRowsDoNotDependOnTheOrderOfTiles) {
  constexpr std::int64_t B = 64, d = 512, F = 2048, k = 32;
  const auto drawn = [](std::uint64_t seed, std::int64_t rows) {
    return Random(seed).normal_rows(0, rows, d);
  };
  const at::Tensor direction = drawn(1, 1), x = drawn(2, B) * 0.1 + direction;
  at::Tensor W = drawn(3, F) * 0.01;
  W.slice(0, 0, 512).copy_(direction * 0.01 + drawn(4, 512) * 1e-5);
  W.slice(0, F - 64).copy_(direction * 0.02 + drawn(5, 64) * 2e-3);
  const int threads = at::get_num_threads();
  const auto encoded = [&](int count) {
    at::set_num_threads(count);
    return ops::encode_topk(x, W, {}, k, Keep::rectified);
  };
  const Codes one = encoded(1);
  for (int i = 0; i < static_cast<int>(trials()) / 4; ++i) {
    const Codes again = encoded(2 + i % 2);
    EXPECT_TRUE(at::equal(again.indices(), one.indices())) << i;
    EXPECT_TRUE(!screens() || at::equal(again.values(), one.values())) << i;
  }
  at::set_num_threads(threads);
}

TEST_P(Screened, NamesThePlaceOfNaN) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  for (const double wrong : {nan, inf}) {  // inf - inf is NaN
    at::Tensor x = at::ones({70, 40}), W = at::ones({700, 40});
    const auto refused = [&](std::int64_t row, std::int64_t latent) {
      expect_nan_at(row, latent, [&] { (void)ops::encode_topk(x, W, {}, 5, Keep::rectified); });
      expect_nan_at(row, latent, [&] { (void)ops::encode_above(x, W, {}, at::full({700}, 1e9)); });
      expect_nan_at(row, latent, [&] { (void)ops::encode_batch_topk(x, W, {}, 5, {}, 1e9); });
    };
    W[613][2].fill_(wrong);
    W[613][3].fill_(-wrong);
    refused(0, 613);
    x[41][39].fill_(wrong);
    x[41][38].fill_(-wrong);
    W[613].fill_(1);
    refused(41, 0);
  }
}

}  // namespace
