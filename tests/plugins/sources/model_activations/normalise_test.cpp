#include "tests/plugins/sources/model_activations/support.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <gmock/gmock.h>

namespace saffron::source_test {
namespace {

using testing::HasSubstr;

at::Tensor all_rows(ModelActivations& source, std::size_t stream) {
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < source.info().blocks; ++i) {
    parts.push_back(source.block(i).streams[stream]);
  }
  return at::cat(parts).to(at::kDouble);
}

struct Normalised : testing::Test {
  Normalised() { bench.options.normalise_contexts = 10; }  // all: estimates are exact

  std::unique_ptr<ModelActivations> make(Centring centre, Scaling scale) {
    bench.options.centre = centre;
    bench.options.scale = scale;
    return bench.make();
  }
  Bench bench;
};

TEST_F(Normalised, CentringTakesTheMeanAway) {
  const at::Tensor raw = all_rows(*bench.make(), 1);
  const auto source = make(Centring::mean, Scaling::none);
  const at::Tensor x = all_rows(*source, 1);
  EXPECT_LT(x.mean(0).abs().max().item<double>(), 1e-3);
  EXPECT_TRUE(at::allclose(x, raw - raw.mean(0), 1e-5, 1e-2));
}

TEST_F(Normalised, SqrtDGivesTheMeanNormSqrtD) {
  for (const Centring centre : {Centring::none, Centring::mean}) {
    const at::Tensor x = all_rows(*make(centre, Scaling::sqrt_d), 1);
    EXPECT_NEAR(x.norm(2, 1).mean().item<double>(), std::sqrt(6.0), 1e-5);
  }
}

TEST_F(Normalised, UnitNormGivesTheMeanSquaredNormOne) {
  const at::Tensor x = all_rows(*make(Centring::mean, Scaling::unit_norm), 0);
  EXPECT_NEAR(x.square().sum(1).mean().item<double>(), 1, 1e-5);
}

TEST_F(Normalised, UnitVarianceIsAboutTheMeanAlsoWithoutCentring) {
  const at::Tensor x = all_rows(*make(Centring::none, Scaling::unit_variance), 1);
  EXPECT_NEAR(x.var(0, false).mean().item<double>(), 1, 1e-5);
  EXPECT_GT(x.mean().item<double>(), 0.5);
}

TEST_F(Normalised, RawActivationsGoThereAndBack) {
  const auto plain = bench.make();
  const ActivationRows raw = plain->block(0);
  const auto source = make(Centring::mean, Scaling::sqrt_d);
  // Before any block: the estimate is made when it is first needed.
  const at::Tensor x = source->normalise(1, raw.streams[1].view({4, 5, 6}));
  EXPECT_TRUE(identical(x.view({20, 6}), source->block(0).streams[1]));
  EXPECT_TRUE(at::allclose(source->denormalise(1, x).view({20, 6}), raw.streams[1], 1e-5, 1e-2));
  EXPECT_TRUE(identical(plain->normalise(0, raw.streams[0]), raw.streams[0]));
  EXPECT_TRUE(identical(plain->denormalise(0, raw.streams[0]), raw.streams[0]));
}

TEST_F(Normalised, NormalisingIsDifferentiable) {
  const auto source = make(Centring::mean, Scaling::sqrt_d);
  at::Tensor raw = bench.make()->block(0).streams[0].detach();
  raw.requires_grad_(true);
  source->denormalise(0, source->normalise(0, raw)).sum().backward();
  EXPECT_TRUE(at::allclose(raw.grad(), raw.detach() * 0 + 1));
}

TEST_F(Normalised, TheSampleFollowsTheSeedAlone) {
  bench.options.normalise_contexts = 4;
  const auto scale = [&] {
    const auto source = make(Centring::none, Scaling::sqrt_d);
    (void)source->block(0);
    return source->save().values.at("layers.0.resid_post").at("scale").as_real();
  };
  const double first = scale();
  EXPECT_EQ(scale(), first);
  bench.context.key = 8;
  EXPECT_NE(scale(), first);
}

TEST_F(Normalised, TheEstimateIsLoggedAndRecorded) {
  const LogRecord log;
  const auto source = make(Centring::mean, Scaling::sqrt_d);
  EXPECT_EQ(source->save().values, Value::table());
  const ActivationRows rows = source->block(0);
  ASSERT_EQ(log.lines.at(LogLevel::info).size(), 2u);
  EXPECT_THAT(log.lines.at(LogLevel::info)[0], HasSubstr("layers.0.resid_post: x = (a - mean) * "));
  EXPECT_THAT(log.lines.at(LogLevel::info)[0], HasSubstr("from 50 rows of mean norm "));

  const State state = source->save();
  EXPECT_EQ(state.tensors["layers.1.mlp_out/mean"].sizes(), (std::vector<std::int64_t>{6}));
  EXPECT_EQ(state.values.at("layers.1.mlp_out").at("rows").as_int(), 50);

  // Loaded into another: the same rows, and no sample is run.
  const auto other = bench.make();
  other->load(state);
  bench.model->contexts = 0;
  EXPECT_TRUE(identical(other->block(0), rows));
  EXPECT_EQ(bench.model->contexts, 4);
}

TEST_F(Normalised, AStateThatDoesNotFitIsRefused) {
  const auto source = make(Centring::mean, Scaling::sqrt_d);
  (void)source->block(0);
  State state = source->save();
  bench.options.sites = {"embed"};
  const Error error = caught([&] { bench.make()->load(state); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_EQ(error.message(), "the recorded normalisation does not fit stream embed");
}

TEST_F(Normalised, RowsThatDoNotVaryCannotBeScaled) {
  bench.model->gain = 0;
  const auto source = make(Centring::mean, Scaling::sqrt_d);
  const Error error = caught([&] { (void)source->block(0); });
  EXPECT_EQ(error.kind(), ErrorKind::numeric);
  EXPECT_EQ(error.where(), "stream layers.0.resid_post");
  EXPECT_THAT(error.message(), HasSubstr("do not vary"));
}

}  // namespace
}  // namespace saffron::source_test
