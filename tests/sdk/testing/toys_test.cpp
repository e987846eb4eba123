#include <saffron/testing/toys.h>

#include <saffron/error.h>
#include <saffron/testing/gradient_checker.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>

namespace saffron::testing {
namespace {

TEST(ToySource, EmbeddingsAreSumsOfPlantedFeatures) {
  ToySource source;
  const at::Tensor rows = source.block(3).streams[0];
  EXPECT_TRUE(at::allclose(rows, source.coefficients(3).mm(source.features(0)), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(source.features(0).norm(2, at::IntArrayRef{1}),
                           at::ones({ToyModel::kFeatures}), 1e-5, 1e-6));
}

double unexplained(const TrainedSae& sae) {
  const at::Tensor x = sae.source->block(0).streams[0];
  const at::Tensor xhat = sae.sae->decode(sae.sae->encode({x}))[0];
  return ((x - xhat).square().sum() / (x - x.mean(0)).square().sum()).item<double>();
}

TEST(ToySae, PerfectAndNullAreWhatTheySay) {
  EXPECT_LT(unexplained(*toy_perfect_sae()), 1e-10);
  EXPECT_NEAR(unexplained(*toy_null_sae()), 1, 0.1);
}

// J[b, o, i] against differences along each row: Df(x_b) in_rows[i], seen by out_rows[o].
TEST(ToyModel, TheLayerMapsJacobianIsTheDerivative) {
  const ToyModel model(1, at::kDouble);
  const auto map = model.layer_map("layers.0.mlp_in", "layers.0.mlp_out");
  const at::Tensor x = at::randn({4, 12}, at::kDouble);
  const at::Tensor in_rows = at::randn({5, 12}, at::kDouble);
  const at::Tensor out_rows = at::randn({6, 12}, at::kDouble);
  const at::Tensor in = at::randint(5, {4, 2}, at::kLong), out = at::randint(6, {4, 3}, at::kLong);
  const at::Tensor J = map->jacobian(x, in_rows, in, out_rows, out);
  for (std::int64_t b = 0; b < 4; ++b) {
    for (std::int64_t o = 0; o < 3; ++o) {
      for (std::int64_t i = 0; i < 2; ++i) {
        const at::Tensor step = in_rows[in[b][i].item<std::int64_t>()];
        const at::Tensor seen = out_rows[out[b][o].item<std::int64_t>()];
        const NumericDerivative slope = numeric_derivative([&](double h) {
          return (map->apply((x[b] + h * step).unsqueeze(0)) * seen).sum().item<double>();
        });
        EXPECT_NEAR(J[b][o][i].item<double>(), slope.value, 1e-8);
      }
    }
  }
  EXPECT_THROW(static_cast<void>(model.layer_map("embed", "layers.0.mlp_out")), Error);
}

TEST(ToyModel, TheLayerMapIsTheModelsOwn) {
  ToyModel model;
  const std::vector<std::string> taps = {"layers.0.mlp_in", "layers.0.mlp_out"};
  const RunResult result = model.run(at::randint(200, {2, 7}, at::kLong), taps, {}, false);
  const auto map = model.layer_map(taps[0], taps[1]);
  EXPECT_TRUE(at::allclose(map->apply(result.taps[0]), result.taps[1], 1e-5, 1e-6));
}

}  // namespace
}  // namespace saffron::testing
