#include "plugins/saes/identity/identity.h"
#include "tests/plugins/saes/support/fitted_fixture.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/relu.h>

#include <gtest/gtest.h>

using namespace saffron;
using plugins::Identity;
using Signs = ComponentOptions::Signs;

namespace {

at::Tensor rows() { return Random(1).normal_rows(0, 30, 7, at::kDouble); }

TEST(Identity, CodesAreTheNeurons) {
  const at::Tensor x = rows();
  Identity sae({{.signs = Signs::both}});
  FittedFixture fixture(sae, x);
  EXPECT_TRUE(at::equal(fixture.codes(x), x));
  EXPECT_TRUE(at::equal(fixture.reconstruction(x), x));
}

TEST(Identity, ANeuronIsTwoLatentsByDefault) {
  const at::Tensor x = rows();
  Identity sae({});
  FittedFixture fixture(sae, x);
  EXPECT_EQ(fixture.spec.latents, 14);
  const at::Tensor codes = fixture.codes(x);
  EXPECT_TRUE(at::equal(codes.slice(1, 0, 7), at::relu(x)));
  EXPECT_TRUE(at::equal(codes.slice(1, 7), at::relu(-x)));
  EXPECT_TRUE(at::equal(fixture.reconstruction(x), x));
}

// An identity dictionary with a ReLU loses the negative half (sparse_coding's IdentityReLU).
TEST(Identity, RectifiedKeepsThePositiveHalf) {
  const at::Tensor x = rows();
  Identity sae({{.signs = Signs::rectified}});
  FittedFixture fixture(sae, x);
  EXPECT_TRUE(at::equal(fixture.reconstruction(x), at::relu(x)));
}

TEST(Identity, KKeepsTheLargestActivations) {
  const at::Tensor x = rows();
  Identity sae({{.k = 3}});
  FittedFixture fixture(sae, x);
  const at::Tensor least = std::get<0>(x.abs().topk(3, 1)).select(1, 2).unsqueeze(1);
  EXPECT_TRUE(at::equal(fixture.reconstruction(x), x * x.abs().ge(least)));
}

}  // namespace
