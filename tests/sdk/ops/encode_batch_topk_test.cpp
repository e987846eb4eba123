#include "tests/sdk/ops/encode_cases.h"

using namespace saffron;
using namespace saffron::test;

namespace {

TEST(EncodeBatchTopk, EqualsASortOfTheBatchWhateverTheHint) {
  for (std::uint64_t trial = 0; trial < 1000; ++trial) {
    SCOPED_TRACE(trial);
    EncodeCase c = random_case(trial);
    const std::vector<Chosen> want = best_of_batch(c);
    const double smallest = smallest_of(want);
    for (const double hint : {0.0, smallest, smallest * 0.75, smallest * 1.5, 1e30}) {
      const ops::BatchTopk got = ops::encode_batch_topk(c.x, c.W, c.b, c.k, c.scale, hint);
      expect_entries(got.codes, want, c.B());
      EXPECT_EQ(got.smallest, smallest);
    }
    if (HasFailure()) return;
  }
}

// Many more candidates than the pool holds, so that the bound rises many times; many are equal.
TEST(EncodeBatchTopk, ARisingBoundLosesNothing) {
  const Random random(9);
  for (const std::uint64_t most : {2, 200}) {
    EncodeCase c;
    c.x = whole_numbers(random.fork("x"), 301, 5, most).to(at::kFloat);
    c.W = whole_numbers(random.fork("W"), 2100, 5, most).to(at::kFloat);
    c.k = 7;
    c.a = naive_products(c);
    const std::vector<Chosen> want = best_of_batch(c);
    expect_entries(ops::encode_batch_topk(c.x, c.W, {}, c.k).codes, want, c.B());
  }
}

TEST(EncodeBatchTopk, OneRowMayTakeAll) {
  at::Tensor x = at::ones({4, 1});
  x[2].fill_(10);
  const ops::BatchTopk got = ops::encode_batch_topk(x, at::ones({8, 1}), {}, 2);
  const std::vector<std::int32_t> offsets{0, 0, 0, 8, 8};
  for (std::size_t r = 0; r < offsets.size(); ++r) {
    EXPECT_EQ(got.codes.offsets()[static_cast<std::int64_t>(r)].item<int>(), offsets[r]);
  }
  EXPECT_EQ(got.smallest, 10);
}

TEST(EncodeBatchTopk, KeepsNothingThatIsNotPositive) {
  const ops::BatchTopk got = ops::encode_batch_topk(-at::ones({4, 2}), at::ones({8, 2}), {}, 3);
  expect_entries(got.codes, {}, 4);
  EXPECT_EQ(got.smallest, 0);
  expect_entries(ops::encode_batch_topk(at::ones({0, 2}), at::ones({8, 2}), {}, 3).codes, {}, 0);
  expect_entries(ops::encode_batch_topk(at::zeros({4, 2}), at::ones({8, 2}), {}, 3).codes, {}, 4);
}

TEST(EncodeBatchTopk, NamesThePlaceOfNaN) {
  for (const double hint : {0.0, 1e9}) {
    expect_names_nan([&](const at::Tensor& x, const at::Tensor& W, const at::Tensor& b) {
      (void)ops::encode_batch_topk(x, W, b, 3, {}, hint);
    });
  }
}

TEST(EncodeBatchTopk, DoesNotDependOnTheNumberOfThreads) {
  expect_same_on_two_threads(
      [](const at::Tensor& x, const at::Tensor& W, const at::Tensor& b) {
        return ops::encode_batch_topk(x, W, b, 20);
      },
      [](const ops::BatchTopk& one, const ops::BatchTopk& two) {
        expect_same(one.codes, two.codes);
        EXPECT_EQ(one.smallest, two.smallest);
      });
}

TEST(EncodeBatchTopk, RefusesWhatDoesNotFit) {
  const at::Tensor x = at::ones({4, 2}), W = at::ones({50, 2});
  EXPECT_THROW((void)ops::encode_batch_topk(x, at::ones({50, 3}), {}, 2), Error);
  EXPECT_THROW((void)ops::encode_batch_topk(x, W, {}, 0), Error);
  EXPECT_THROW((void)ops::encode_batch_topk(x, W, {}, 51), Error);
  EXPECT_THROW((void)ops::encode_batch_topk(x, W, {}, 2, at::ones({49})), Error);
}

}  // namespace
