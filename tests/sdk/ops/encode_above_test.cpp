#include "tests/sdk/ops/encode_cases.h"

#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>

using namespace saffron;
using namespace saffron::test;

namespace {

TEST(EncodeAbove, EqualsANaiveLoopOnRandomShapes) {
  for (std::uint64_t trial = 0; trial < 1000; ++trial) {
    SCOPED_TRACE(trial);
    const EncodeCase c = random_case(trial);
    const Bounds bounds = random_bounds(c, trial);
    expect_entries(ops::encode_above(c.x, c.W, c.b, bounds.given, c.scale),
                   above(c, bounds.numbers), c.B());
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
