#include <saffron/codes.h>
#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include <gtest/gtest.h>

using namespace saffron;

namespace {

at::Tensor matrix() {
  return at::tensor({0., 2., 0., -1., 0., 0., 0., 0., 3., 0., 4., 5.}, at::kDouble).view({3, 4});
}

Codes as_topk() {
  return Codes::topk(at::tensor({2., -1., 0., 0., 5., 4.}, at::kDouble).view({3, 2}),
                     at::tensor({1, 3, 0, 2, 3, 2}, at::kInt).view({3, 2}), 4);
}

TEST(Codes, LayoutsOfOneMatrixAgree) {
  at::Tensor f = matrix();
  f[2][0].fill_(0);
  for (const Codes& codes : {as_topk(), Codes::from_dense(f), Codes::dense(f)}) {
    EXPECT_EQ(codes.rows(), 3);
    EXPECT_EQ(codes.latents(), 4);
    EXPECT_TRUE(at::equal(codes.to_dense(), f));
    EXPECT_TRUE(at::equal(codes.l0(), at::tensor({2, 0, 2}, at::kLong)));
    EXPECT_TRUE(at::equal(codes.l1(), at::tensor({3., 0., 9.}, at::kDouble)));
    EXPECT_TRUE(at::equal(codes.firing_counts(), at::tensor({0, 1, 1, 2}, at::kLong)));
    EXPECT_TRUE(at::equal(codes.column(3), at::tensor({-1., 0., 5.}, at::kDouble)));
  }
}

TEST(Codes, CsrKeepsRowOrder) {
  const Codes codes = Codes::from_dense(matrix());
  EXPECT_TRUE(at::equal(codes.offsets(), at::tensor({0, 2, 2, 5}, at::kInt)));
  EXPECT_TRUE(at::equal(codes.indices(), at::tensor({1, 3, 0, 2, 3}, at::kInt)));
}

TEST(Codes, GradientsReachTheValues) {
  for (const Codes& codes : {as_topk(), Codes::from_dense(matrix()), Codes::dense(matrix())}) {
    const at::Tensor leaf = codes.values().clone().requires_grad_(true);
    (codes.with_values(leaf).to_dense().square().sum() + codes.with_values(leaf).l1().sum())
        .backward();
    const at::Tensor expected = 2 * leaf.detach() + leaf.detach().sign();
    EXPECT_TRUE(at::equal(leaf.grad(), expected));
  }
}

TEST(Codes, RefuseShapesThatDoNotFit) {
  const at::Tensor values = at::tensor({1., 2.}).view({1, 2});
  EXPECT_THROW((void)Codes::topk(values, at::tensor({0, 1}, at::kLong).view({1, 2}), 4), Error);
  EXPECT_THROW((void)Codes::topk(values, at::tensor({0}, at::kInt).view({1, 1}), 4), Error);
  EXPECT_THROW((void)Codes::dense(at::tensor({1., 2.})), Error);
  EXPECT_THROW((void)as_topk().with_values(values), Error);
  EXPECT_THROW((void)as_topk().offsets(), Error);
  EXPECT_THROW((void)Codes::dense(matrix()).indices(), Error);
  EXPECT_THROW((void)as_topk().column(4), Error);
}

}  // namespace
