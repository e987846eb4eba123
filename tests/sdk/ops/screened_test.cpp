#include "sdk/ops/cpu/screened_tiles.h"
#include "tests/sdk/ops/encode_cases.h"

#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>

// Encoders over shapes that are screened in bfloat16 where the processor can: what they return must not
// show it.

using namespace saffron;
using namespace saffron::test;
using ops::Keep;
using ops_cpu::ScreenedTile;
using ops_cpu::ScreenedTiles;

namespace {

// Whole numbers that bfloat16 rounds and float32 sums exactly, in tiles that are full and that are not.
EncodeCase screened_case(std::uint64_t trial) {
  const Random random = Random(31).fork(trial);
  const auto pick = [&](std::uint64_t draw, std::int64_t least, std::uint64_t range) {
    return least + static_cast<std::int64_t>(random.below(range, 0, draw));
  };
  const std::int64_t B = pick(0, 32, 50), F = pick(1, 256, 1200), d = pick(2, 32, 20);
  const std::uint64_t most = trial % 4 == 0 ? 3 : 390;  // many ties, or few
  EncodeCase c;
  c.x = laid_out(whole_numbers(random.fork("x"), B, d, most).to(at::kFloat), random.below(4, 0, 3));
  c.W = laid_out(whole_numbers(random.fork("W"), F, d, most).to(at::kFloat), random.below(4, 0, 4));
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

TEST(Screened, TopkEqualsAFullSort) {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    const EncodeCase c = screened_case(trial);
    for (const Keep keep : {Keep::signed_values, Keep::rectified, Keep::magnitude}) {
      const Codes codes = ops::encode_topk(c.x, c.W, c.b, c.k, keep, {}, c.scale);
      for (std::int64_t r = 0; r < c.B(); ++r) {
        const std::vector<Chosen> want = sorted_row(c, r, keep);
        const auto* latent = codes.indices().const_data_ptr<std::int32_t>() + r * c.k;
        const auto* value = codes.values().const_data_ptr<float>() + r * c.k;
        for (std::int64_t i = 0; i < c.k; ++i) {
          const auto& [row, place, a] = want[static_cast<std::size_t>(i)];
          ASSERT_EQ(latent[i], place) << trial << ", row " << r << ", " << i;
          ASSERT_EQ(value[i], keep == Keep::rectified ? std::max(a, 0.0) : a);
        }
      }
    }
  }
}

TEST(Screened, AboveEqualsANaiveLoop) {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    const EncodeCase c = screened_case(trial);
    // From all entries to few of them; some bounds are equal to an entry.
    const double quantile = std::array{0.0, 0.5, 0.9, 0.99}[trial % 4];
    std::vector<Chosen> first = sorted_row(c, 0, Keep::signed_values);
    at::Tensor bounds =
        at::full({c.F()}, first[static_cast<std::size_t>((1 - quantile) * (c.F() - 1))].value);
    bounds[1].add_(50);
    std::vector<Chosen> want;
    for (std::int64_t r = 0; r < c.B(); ++r) {
      for (std::int64_t i = 0; i < c.F(); ++i) {
        const double a = c.a[static_cast<std::size_t>(r)][static_cast<std::size_t>(i)];
        if (a > bounds[i].item<double>()) want.push_back({r, i, a});
      }
    }
    expect_entries(ops::encode_above(c.x, c.W, c.b, bounds.to(at::kFloat), c.scale), want, c.B());
    if (HasFatalFailure()) FAIL() << "trial " << trial;
  }
}

TEST(Screened, BatchTopkEqualsASortWhateverTheHint) {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    const EncodeCase c = screened_case(trial);
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
      EXPECT_EQ(got.smallest, smallest);
      if (HasFailure()) FAIL() << "trial " << trial << ", hint " << hint;
    }
  }
}

// Rows that differ by less than bfloat16 can tell, beside some that do not; and numbers near both ends
// of the range.
TEST(Screened, RowsThatRoundingCannotTellApart) {
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

TEST(Screened, NamesThePlaceOfNaN) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  for (const double wrong : {nan, inf}) {  // inf - inf is NaN
    at::Tensor x = at::ones({70, 40}), W = at::ones({700, 40});
    W[613][2].fill_(wrong);
    W[613][3].fill_(-wrong);
    const auto refused = [&](std::int64_t row) {
      expect_nan_at(row, 613, [&] { (void)ops::encode_topk(x, W, {}, 5, Keep::rectified); });
      expect_nan_at(row, 613, [&] { (void)ops::encode_above(x, W, {}, at::full({700}, 1e9)); });
      expect_nan_at(row, 613, [&] { (void)ops::encode_batch_topk(x, W, {}, 5, {}, 1e9); });
    };
    refused(0);
  }
}

// The bound holds, and is no larger than it has to be: bfloat16 has 8 bits.
TEST(ScreenedTiles, EveryEntryIsWithinItsSlack) {
  for (std::uint64_t trial = 0; trial < 12; ++trial) {
    const Random random = Random(77).fork(trial);
    const std::int64_t B = 32 + 7 * static_cast<std::int64_t>(trial), F = 700, d = 33 + B;
    const auto drawn = [&](const char* name, std::int64_t rows) {
      at::Tensor z = random.fork(name).normal_rows(0, rows, d, at::kFloat);
      if (trial % 3 == 1) z = z.pow(5);                       // heavy tails
      if (trial % 3 == 2) z = z * (z.abs() * 8 - 10).exp2();  // of many sizes
      return z;
    };
    const at::Tensor x = drawn("x", B), W = drawn("W", F);
    const at::Tensor b = random.fork("b").normal_rows(0, 1, F, at::kFloat)[0];
    const ops_cpu::EncodeArguments arguments = ops_cpu::encode_arguments(x, W, b, {});
    EXPECT_EQ(ScreenedTiles::suits(arguments), ops_cpu::has_bf16_unit());
    const at::Tensor a = at::mm(x.to(at::kDouble), W.to(at::kDouble).t()) + b;
    const at::Tensor sizes = x.norm(2, at::IntArrayRef{1}) * W.norm(2, at::IntArrayRef{1}).max();
    std::atomic<std::int64_t> seen = 0;
    std::atomic<double> closest = 1e9;
    const bool told = ScreenedTiles(arguments).for_each([&](const ScreenedTile& tile) {
      for (std::int64_t r = 0; r < tile.rows; ++r) {
        const std::int64_t row = tile.first_row + r;
        const double* const exact = a.const_data_ptr<double>() + row * F + tile.first;
        EXPECT_LT(tile.slack[r], sizes[row].item<double>() / 100);
        for (std::int64_t i = 0; i < tile.width; ++i, ++seen) {
          const double off = std::abs(tile.row(r)[i] + tile.bias[i] - exact[i]);
          ASSERT_LE(off, tile.slack[r]) << "row " << row << ", latent " << tile.first + i;
          closest = std::min(closest.load(), tile.slack[r] / off);
        }
      }
    });
    EXPECT_TRUE(told);
    EXPECT_EQ(seen.load(), B * F);
    EXPECT_LT(closest.load(), 40) << "a bound that is far too high";
  }
}

TEST(ScreenedTiles, SayNothingOfWhatIsNotFinite) {
  const at::Tensor x = at::ones({40, 40}), W = at::ones({700, 40});
  const auto told = [](const at::Tensor& rows, const at::Tensor& weights, const at::Tensor& b) {
    return ScreenedTiles(ops_cpu::encode_arguments(rows, weights, b, {}))
        .for_each([](const ScreenedTile&) {});
  };
  EXPECT_TRUE(told(x, W, {}));
  for (const double wrong : {std::nan(""), double{INFINITY}, 3e38}) {
    const auto with = [wrong](const at::Tensor& good) {
      at::Tensor bad = good.clone();
      bad.view(-1)[good.numel() - 1].fill_(wrong);
      return bad;
    };
    EXPECT_FALSE(told(with(x), W, {}));
    EXPECT_FALSE(told(x, with(W), {}));
    EXPECT_FALSE(told(x, W, with(at::ones({700}))));
  }
}

}  // namespace
