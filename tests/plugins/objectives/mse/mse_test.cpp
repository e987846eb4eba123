#include <saffron/objective.h>
#include <saffron/testing/conformance.h>
#include <saffron/testing/fake_step.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

#include <memory>

namespace saffron {
namespace {

std::shared_ptr<Objective> with_reduction(const char* reduction) {
  Value options = Value::table();
  options.set("reduction", Value(reduction));
  return testing::component("objective", "mse", options).make<Objective>({.dtype = at::kDouble});
}

// Two targets, and reconstructions that are off.
struct Batch {
  testing::FakeTrainStep step;
  std::vector<at::Tensor> x, e;

  explicit Batch(double spread = 1) {
    auto& member = step.add("a");
    for (const std::uint64_t t : {1U, 2U}) {
      x.push_back(Random(t).normal_rows(0, 9, 4, at::kDouble) * spread + 3);
      e.push_back(Random(t).fork("e").normal_rows(0, 9, 4, at::kDouble));
      member.targets.push_back(x.back());
      member.reconstructions.push_back(x.back() + e.back());
      member.sae.predicts.push_back(static_cast<std::int64_t>(t));
      member.sae.shape.predicts.push_back({"s", 4});
    }
  }
  [[nodiscard]] double squared_error() const {
    double sum = 0;
    for (const at::Tensor& of : e) sum += of.square().sum(1).mean().item<double>();
    return sum;
  }
};

TEST(Mse, EachReductionIsAMultipleOfTheSquaredError) {
  const Batch batch;
  for (const char* reduction : {"sum", "mean", "variance"}) {
    const auto objective = with_reduction(reduction);
    const auto& canonical = dynamic_cast<const CanonicalObjective&>(*objective);
    const auto& of_batch = dynamic_cast<const BatchScaledObjective&>(*objective);
    const auto fixed = canonical.canonical_scale(batch.step.sae(0));
    const auto scale = of_batch.batch_scale(batch.x);
    ASSERT_NE(fixed.has_value(), scale.has_value()) << reduction;
    EXPECT_NEAR((fixed ? *fixed : *scale) * objective->loss(batch.step).item<double>(),
                batch.squared_error(), 1e-12);
  }
}

// sparsify: the squared error over that of predicting each dimension's mean.
TEST(Mse, OverTheVarianceItIsWhatIsLeftUnexplained) {
  Batch batch;
  auto& member = batch.step.member(0);
  for (std::size_t t = 0; t < 2; ++t) {
    member.reconstructions[t] = at::zeros_like(batch.x[t]) + batch.x[t].mean(0);
  }
  EXPECT_NEAR(with_reduction("variance")->loss(batch.step).item<double>(), 1, 1e-12);
}

TEST(Mse, RowsThatDoNotVaryAreRefused) {
  const Batch still(0);
  EXPECT_THROW(static_cast<void>(with_reduction("variance")->loss(still.step)), Error);
  EXPECT_NO_THROW(static_cast<void>(with_reduction("sum")->loss(still.step)));
}

}  // namespace
}  // namespace saffron
