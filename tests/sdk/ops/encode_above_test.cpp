#include "tests/sdk/ops/encode_cases.h"

#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>

using namespace saffron;
using namespace saffron::test;

namespace {

std::vector<Chosen> above(const EncodeCase& c, const std::vector<double>& bounds) {
  std::vector<Chosen> chosen;
  for (std::int64_t r = 0; r < c.B(); ++r) {
    for (std::int64_t i = 0; i < c.F(); ++i) {
      const double a = c.a[static_cast<std::size_t>(r)][static_cast<std::size_t>(i)];
      if (a > bounds[static_cast<std::size_t>(i)]) chosen.push_back({r, i, a});
    }
  }
  return chosen;
}

TEST(EncodeAbove, EqualsANaiveLoopOnRandomShapes) {
  for (std::uint64_t trial = 0; trial < 1000; ++trial) {
    SCOPED_TRACE(trial);
    const EncodeCase c = random_case(trial);
    at::Tensor bounds;
    std::vector<double> lower(static_cast<std::size_t>(c.F()), 0.0);
    if (trial % 4 != 3) {  // of the size of pre-activations, so that some are equal to theirs
      const std::uint64_t most = trial % 2 == 0 ? 6 : 300000;
      bounds = whole_numbers(Random(2).fork(trial), 1, c.F(), most)[0];
      for (std::int64_t i = 0; i < c.F(); ++i) {
        lower[static_cast<std::size_t>(i)] = bounds[i].item<double>();
      }
      bounds = bounds.to(c.x.scalar_type());
    }
    expect_entries(ops::encode_above(c.x, c.W, c.b, bounds, c.scale), above(c, lower), c.B());
    if (HasFatalFailure()) return;
  }
}

TEST(EncodeAbove, EveryShareOfAWideLayer) {
  const Random random(3);
  const at::Tensor x = random.fork("x").normal_rows(0, 300, 16, at::kFloat);
  const at::Tensor W = random.fork("W").normal_rows(0, 3001, 16, at::kFloat);
  const at::Tensor a = at::mm(x, W.t());
  for (const double bound : {-1000.0, 0.0, 4.0, 13.0, 1000.0}) {
    const Codes codes = ops::encode_above(x, W, {}, at::full({3001}, bound));
    const at::Tensor want = a * a.gt(bound);
    EXPECT_TRUE(codes.to_dense().allclose(want, 1e-5, 1e-4)) << bound;
    EXPECT_EQ(codes.values().size(0), a.gt(bound).sum().item<std::int64_t>()) << bound;
  }
}

TEST(EncodeAbove, AnEmptyResultIsCsr) {
  const at::Tensor x = -at::ones({5, 2}), W = at::ones({70, 2});
  expect_entries(ops::encode_above(x, W, {}, {}), {}, 5);
  expect_entries(ops::encode_above(at::ones({0, 2}), W, {}, {}), {}, 0);
}

TEST(EncodeAbove, NamesThePlaceOfNaN) {
  expect_names_nan([](const at::Tensor& x, const at::Tensor& W, const at::Tensor& b) {
    (void)ops::encode_above(x, W, b, at::full({W.size(0)}, 100.0, W.options()));
  });
  at::Tensor bounds = at::ones({70});
  bounds[3].fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_THROW((void)ops::encode_above(at::ones({5, 2}), at::ones({70, 2}), {}, bounds), Error);
}

TEST(EncodeAbove, DoesNotDependOnTheNumberOfThreads) {
  expect_same_on_two_threads([](const at::Tensor& x, const at::Tensor& W,
                                const at::Tensor& b) { return ops::encode_above(x, W, b, {}); },
                             expect_same);
}

TEST(EncodeAbove, RefusesWhatDoesNotFit) {
  const at::Tensor x = at::ones({4, 2}), W = at::ones({50, 2});
  EXPECT_THROW((void)ops::encode_above(x, at::ones({50, 3}), {}, {}), Error);
  EXPECT_THROW((void)ops::encode_above(x, W, {}, at::ones({49})), Error);
  EXPECT_THROW((void)ops::encode_above(x, W, {}, at::ones({50}, at::kDouble)), Error);
  EXPECT_THROW((void)ops::encode_above(x.to(at::kHalf), W.to(at::kHalf), {}, {}), Error);
}

}  // namespace
