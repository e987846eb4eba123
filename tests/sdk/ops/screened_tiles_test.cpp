#include "sdk/ops/cpu/screened_tiles.h"
#include "tests/sdk/ops/screened_cases.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <tuple>

// How far screened products are off, and what they say of it.

using namespace saffron;
using namespace saffron::test;
using ops_cpu::ScreenedTile;
using ops_cpu::ScreenedTiles;
using ops_cpu::Side;

namespace {

class ScreenedTilesOf : public OnUnit {};
SAFFRON_ON_UNITS(ScreenedTilesOf);

// Every entry is within its slack and that of its tile; returns the least of slack / error.
double expect_within_slack(const EncodeCase& c) {
  const std::int64_t F = c.F();
  ScreenedTiles tiles(ops_cpu::encode_arguments(c.x, c.W, c.b, {}));
  std::atomic<std::int64_t> seen = 0;
  std::atomic<double> closest = 1e9;
  const bool told = tiles.for_each([&](const ScreenedTile& tile) {
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      const std::int64_t row = tile.first_row + r;
      for (std::int64_t i = 0; i < tile.width; ++i, ++seen) {
        const auto latent = static_cast<std::size_t>(tile.first + i);
        const double off =
            std::abs(tile.row(r)[i] + tile.bias[i] - c.a[static_cast<std::size_t>(row)][latent]);
        const float slack = tiles.slack_of(row, tile.first + i);
        ASSERT_LE(off, slack) << "row " << row << ", latent " << latent;
        ASSERT_LE(slack, tile.slack[r]);
        closest = std::min(closest.load(), slack / off);
      }
    }
  });
  EXPECT_TRUE(told);
  EXPECT_EQ(seen.load(), c.B() * F);
  return closest;
}

// The bound holds, and is no larger than it has to be: bfloat16 and int8 have 8 bits.
TEST_P(ScreenedTilesOf, EveryEntryIsWithinItsSlack) {
  for (std::uint64_t trial = 0; trial < trials() / 3; ++trial) {
    const Random random = Random(77).fork(trial);
    const std::int64_t B = 32 + 7 * static_cast<std::int64_t>(trial), F = 700, d = 33 + B;
    const auto drawn = [&](const char* name, std::int64_t rows) {
      at::Tensor z = random.fork(name).normal_rows(0, rows, d, at::kFloat);
      if (trial % 3 == 1) z = z.pow(5);                       // heavy tails
      if (trial % 3 == 2) z = z * (z.abs() * 8 - 10).exp2();  // of many sizes
      return z;
    };
    EncodeCase c;
    c.x = drawn("x", B);
    c.W = drawn("W", F);
    c.b = random.fork("b").normal_rows(0, 1, F, at::kFloat)[0];
    EXPECT_EQ(ScreenedTiles::suits(ops_cpu::encode_arguments(c.x, c.W, c.b, {})), screens());
    if (!screens()) return;
    c.a = naive_products(c);
    EXPECT_LT(expect_within_slack(c), int8() ? 60 : 40) << "a bound that is far too high";
    if (HasFailure()) FAIL() << "trial " << trial;
  }
}

// A tenth of the bound, or half of it, would not do.
TEST_P(ScreenedTilesOf, ErrorsThatAddUpReachTheBound) {
  if (!screens()) return;
  EncodeCase c = aligned_case(250.49 * 0x1p-9);
  c.a = naive_products(c);
  EXPECT_LT(expect_within_slack(c), int8() ? 1.2 : 4);
}

// What int8 keeps apart leaves the bound of the others as it was.
TEST_P(ScreenedTilesOf, LargeColumnsDoNotStretchTheScale) {
  if (!int8()) return;
  const Random random(41);
  EncodeCase c;
  c.x = random.fork("x").normal_rows(0, 70, 96, at::kFloat);
  c.W = random.fork("W").normal_rows(0, 300, 96, at::kFloat);
  c.x.slice(1, 1, 2).mul_(100);
  c.x.slice(1, 95, 96).mul_(1000);
  c.a = naive_products(c);
  (void)expect_within_slack(c);
  ScreenedTiles tiles(ops_cpu::encode_arguments(c.x, c.W, {}, {}));
  EXPECT_TRUE(tiles.for_each([](const ScreenedTile&) {}));
  for (std::int64_t r = 0; r < 70; ++r) EXPECT_LT(tiles.slack_of(r, 11), 4) << "row " << r;
}

// The other bound of a tile's row is that of its worst latent.
TEST_P(ScreenedTilesOf, SlackGrowsWithBothRows) {
  if (!screens()) return;
  EncodeCase c = aligned_case(0.3);
  c.W[17].mul_(4);
  ScreenedTiles tiles(ops_cpu::encode_arguments(c.x, c.W, {}, {}));
  EXPECT_TRUE(tiles.for_each([](const ScreenedTile&) {}));
  EXPECT_NEAR(tiles.slack_of(3, 17) / tiles.slack_of(3, 18), 4, 1e-3);
}

TEST_P(ScreenedTilesOf, SayNothingOfWhatIsNotFinite) {
  if (!screens()) return;
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

// Sums of int8 are exact, so that the instructions change no bit of them.
TEST(Int8Unit, PlainLoopsGiveTheSameBits) {
  if (ops_cpu::vnni_unit() == nullptr) return;
  const Random random(3);
  for (const std::int64_t d : {1, 33, 64, 130}) {
    at::Tensor x = random.fork("x").normal_rows(0, 32, d, at::kFloat).contiguous();
    at::Tensor W = random.fork("W").normal_rows(0, 70, d, at::kFloat).contiguous();
    x[3].zero_();
    x[4].mul_(1e-38);
    W[69][0].fill_(1e9);
    const std::vector<std::int32_t> apart =
        d > 1 ? std::vector<std::int32_t>{2, 32} : std::vector<std::int32_t>{};
    const auto products = [&](const ScreeningUnit& unit) {
      const auto packed = [&](Side side, const at::Tensor& rows) {
        const std::int64_t groups =
            (rows.size(0) + ScreeningUnit::kRows - 1) / ScreeningUnit::kRows;
        at::Tensor bytes = at::empty({groups * unit.group_bytes(d)}, at::kChar);
        std::vector<ops_cpu::RowBounds> bounds(static_cast<std::size_t>(rows.size(0)));
        unit.pack(side, {rows.size(0), d, rows.const_data_ptr<float>(), d, apart},
                  static_cast<std::byte*>(bytes.mutable_data_ptr()), bounds.data());
        return bytes;
      };
      const at::Tensor left = packed(Side::left, x), right = packed(Side::right, W);
      at::Tensor out = at::empty({32, 96});
      unit.multiply(d, static_cast<const std::byte*>(left.const_data_ptr()),
                    static_cast<const std::byte*>(right.const_data_ptr()), 3,
                    out.mutable_data_ptr<float>(), 96);
      return std::tuple(left, right, out);
    };
    const auto [left, right, out] = products(*ops_cpu::vnni_unit());
    const auto [plain_left, plain_right, plain_out] = products(*ops_cpu::plain_int8_unit());
    EXPECT_TRUE(at::equal(left, plain_left)) << d;
    EXPECT_TRUE(at::equal(right, plain_right)) << d;
    EXPECT_TRUE(at::equal(out, plain_out)) << d;
  }
}

}  // namespace
