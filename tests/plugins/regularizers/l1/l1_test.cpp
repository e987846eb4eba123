#include "plugins/regularizers/l1/l1.h"

#include <saffron/error.h>
#include <saffron/random.h>
#include <saffron/testing/fake_step.h>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <vector>

namespace saffron::plugins {
namespace {

using Convention = L1::Convention;

const at::Tensor kCodes = at::tensor(std::vector<double>{1, 0, -2, 0,  //
                                                         0, .5, 0, 3,  //
                                                         0, 0, 0, 0})
                              .view({3, 4});

testing::FakeTrainStep::Member& add(testing::FakeTrainStep& step, const Codes& codes) {
  auto& member = step.add("a");
  member.codes.push_back(codes.with_values(codes.values().detach().clone().requires_grad_(true)));
  member.sae.shape.predicts = {{"x", 8}};
  member.add_parameter("W_dec", Role::decoder, Random(1).normal_rows(0, 4, 8, at::kDouble));
  return member;
}

double penalty_of(Convention convention, const Codes& codes, bool weighted = false) {
  testing::FakeTrainStep step;
  add(step, codes);
  return L1({.scale = {convention, weighted}}).penalty(step).item<double>();
}

// A csr with room for more entries than it holds; the rest has meaningless values and indices.
Codes roomy() {
  const Codes exact = Codes::from_dense(kCodes);
  const auto junk = at::tensor(std::vector<double>{1e9, -1e9});
  const auto nowhere = at::tensor(std::vector<std::int32_t>{12345, -7});
  return Codes::csr(at::cat({exact.values(), junk}), at::cat({exact.indices(), nowhere}),
                    exact.offsets(), {}, 4);
}

TEST(L1, ConventionsAndTheirCanonicalCoefficient) {
  for (const Codes& codes : {Codes::dense(kCodes), Codes::from_dense(kCodes), roomy()}) {
    EXPECT_DOUBLE_EQ(penalty_of(Convention::sum_per_row, codes), 6.5 / 3);
    EXPECT_DOUBLE_EQ(penalty_of(Convention::mean_over_latents, codes), 6.5 / 12);
    EXPECT_DOUBLE_EQ(penalty_of(Convention::divided_by_width, codes), 6.5 / 24);
  }
  testing::FakeTrainStep step;
  const TrainedSae& sae = add(step, Codes::dense(kCodes)).sae;
  const double sum = penalty_of(Convention::sum_per_row, Codes::dense(kCodes));
  for (const auto convention :
       {Convention::sum_per_row, Convention::mean_over_latents, Convention::divided_by_width}) {
    // coef R = canonical * (sum per row), whatever the convention.
    const L1 l1(L1::Options{.scale = {convention}});
    EXPECT_DOUBLE_EQ(l1.canonical_coefficient(0.7, sae) * sum,
                     0.7 * penalty_of(convention, Codes::dense(kCodes)));
  }
}

// Lawson's toy: mean squared error + l1 * mean |c|; 256 dimensions, 512 latents. Its l1 = .01 is
// .01 * 256 / 512 beside a squared error summed over dimensions: d times what is returned.
TEST(L1, CanonicalValueOfThePublishedToy) {
  TrainedSae sae;
  sae.spec.latents = 512;
  sae.shape.predicts = {{"x", 256}};
  const L1 l1({.scale = {Convention::mean_over_latents}});
  EXPECT_DOUBLE_EQ(l1.canonical_coefficient(0.01, sae) * 256, 0.005);
}

TEST(L1, WeightedByDecoderNorms) {
  testing::FakeTrainStep step;
  const at::Tensor norms =
      add(step, Codes::dense(kCodes)).sae.parameters["W_dec"].norm(2, at::IntArrayRef{1});
  const double expected = (kCodes.abs() * norms).sum(1).mean().item<double>();
  for (const Codes& codes : {Codes::dense(kCodes), Codes::from_dense(kCodes), roomy()}) {
    EXPECT_NEAR(penalty_of(Convention::sum_per_row, codes, true), expected, 1e-12);
  }
}

TEST(L1, SumsOverSaes) {
  testing::FakeTrainStep step;
  add(step, Codes::dense(kCodes));
  add(step, Codes::dense(2 * kCodes));
  EXPECT_NEAR(L1({}).penalty(step).item<double>(), 3 * 6.5 / 3, 1e-12);
}

// d R / d leaf against central differences, on codes away from 0.
TEST(L1, GradientsEqualFiniteDifferences) {
  const at::Tensor f = Random(5).uniform_rows(0, 5, 4, at::kDouble) + 0.5;
  for (const bool weighted : {false, true}) {
    for (const auto convention : {Convention::sum_per_row, Convention::divided_by_width}) {
      const L1::Options options{.scale = {convention, weighted}};
      testing::FakeTrainStep step;
      auto& member = add(step, Codes::dense(f * at::tensor(std::vector<double>{1, -1, 1, -1})));
      L1 l1(options);
      l1.penalty(step).backward();
      std::vector<at::Tensor> leaves = {member.codes[0].values()};
      if (weighted) leaves.push_back(member.sae.parameters["W_dec"]);
      for (const at::Tensor& leaf : leaves) {
        const at::Tensor flat = leaf.detach().view(-1), gradient = leaf.grad().reshape(-1);
        for (std::int64_t i = 0; i < flat.numel(); ++i) {
          const double kept = flat[i].item<double>(), h = 1e-6;
          flat[i] = kept + h;
          const double up = l1.penalty(step).item<double>();
          flat[i] = kept - h;
          const double down = l1.penalty(step).item<double>();
          flat[i] = kept;
          EXPECT_NEAR(gradient[i].item<double>(), (up - down) / (2 * h), 1e-8);
        }
      }
    }
  }
}

}  // namespace
}  // namespace saffron::plugins
