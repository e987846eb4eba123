#include "support.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>

// The MLP as a layer map, against the model itself and against autograd.

namespace llama_test {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<saffron::LayerMap> layer_map(const saffron::Model& model, const std::string& from,
                                             const std::string& to) {
  return dynamic_cast<const saffron::HasLayerMaps&>(model).layer_map(from, to);
}

struct Problem {
  at::Tensor x, in_rows, in_index, out_rows, out_index;
};

// in_rows fewer and more than their uses: the two orders of gathering and projecting.
Problem make_problem(std::int64_t in_count, std::int64_t out_count, at::ScalarType dtype) {
  return {at::randn({6, 32}, dtype), at::randn({in_count, 32}, dtype),
          at::randint(in_count, {6, 3}, at::kLong), at::randn({out_count, 32}, dtype),
          at::randint(out_count, {6, 4}, at::kLong)};
}

at::Tensor jacobian(const saffron::LayerMap& map, const Problem& p) {
  return map.jacobian(p.x, p.in_rows, p.in_index, p.out_rows, p.out_index);
}

// J[b, o, i] = < d <out_row_o, f(x_b)> / d x_b, in_row_i >, one backward pass an entry of [b, o].
at::Tensor by_autograd(const saffron::LayerMap& map, const Problem& p) {
  at::Tensor result = at::empty({6, 4, 3}, p.x.options());
  for (std::int64_t o = 0; o < 4; ++o) {
    const at::Tensor x = p.x.detach().clone().requires_grad_(true);
    (map.apply(x) * p.out_rows.index_select(0, p.out_index.select(1, o))).sum().backward();
    for (std::int64_t i = 0; i < 3; ++i) {
      const at::Tensor rows = p.in_rows.index_select(0, p.in_index.select(1, i));
      result.select(2, i).select(1, o).copy_((x.grad() * rows).sum(1));
    }
  }
  return result;
}

class LayerMaps : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Folders, LayerMaps, ::testing::Values("tiny", "tiny_qwen2"),
                         [](const auto& given) { return std::string(given.param); });

TEST_P(LayerMaps, JacobianEqualsAutograd) {
  for (const auto& [dtype, name, tolerance] :
       {std::tuple(at::kFloat, "float32", 1e-5), std::tuple(at::kDouble, "float64", 1e-10)}) {
    const auto model = open(fixture(GetParam()), name);
    const auto map = layer_map(*model, "layers.1.mlp_in", "layers.1.mlp_out");
    EXPECT_EQ(map->in_width(), 32);
    EXPECT_EQ(map->out_width(), 32);
    for (const auto& [in_count, out_count] : {std::pair(5, 7), std::pair(40, 50)}) {
      const Problem p = make_problem(in_count, out_count, dtype);
      const at::Tensor wanted = by_autograd(*map, p);
      const double scale = wanted.abs().max().item<double>();
      EXPECT_LT(distance(jacobian(*map, p), wanted), tolerance * scale);
    }
  }
}

TEST_P(LayerMaps, ApplyAndHiddenAreTheModelsOwn) {
  const auto model = open(fixture(GetParam()));
  const std::vector<std::string> taps = {"layers.0.mlp_in", "layers.0.mlp_out"};
  const saffron::RunResult result = model->run(at::randint(97, {2, 9}, at::kLong), taps, {}, false);
  const auto map = layer_map(*model, taps[0], taps[1]);
  const at::Tensor x = result.taps[0].reshape({18, 32}), y = result.taps[1].reshape({18, 32});
  EXPECT_LT(distance(map->apply(x), y), 1e-5);
  EXPECT_EQ(map->hidden(x).sizes(), (std::vector<std::int64_t>{18, 2, 56}));
}

TEST(LayerMap, JacobianIsDifferentiableInBothRowMatrices) {
  const auto model = open(fixture("tiny"), "float64");
  const auto map = layer_map(*model, "layers.0.mlp_in", "layers.0.mlp_out");
  for (const auto& [in_count, out_count] : {std::pair(5, 7), std::pair(40, 50)}) {
    Problem p = make_problem(in_count, out_count, at::kDouble);
    const at::Tensor weight = at::randn({6, 4, 3}, at::kDouble);
    p.in_rows.requires_grad_(true);
    p.out_rows.requires_grad_(true);
    p.x.requires_grad_(true);
    (jacobian(*map, p) * weight).sum().backward();
    EXPECT_FALSE(p.x.grad().defined());  // a constant by contract
    // Linear in each matrix: the gradient times a step is the difference, exactly.
    for (const bool input : {true, false}) {
      at::Tensor& rows = input ? p.in_rows : p.out_rows;
      const at::Tensor gradient = rows.grad(), kept = rows.detach(), step = at::randn_like(kept);
      rows = kept;
      const at::Tensor before = (jacobian(*map, p) * weight).sum();
      rows = kept + step;
      const at::Tensor after = (jacobian(*map, p) * weight).sum();
      rows = kept;
      EXPECT_NEAR((gradient * step).sum().item<double>(), (after - before).item<double>(), 1e-9);
    }
  }
}

TEST(LayerMap, WrongPairsAndShapesAreSaid) {
  const auto model = open(fixture("tiny"));
  for (const auto& [from, to] :
       {std::pair("layers.0.mlp_in", "layers.1.mlp_out"), std::pair("embed", "layers.0.mlp_out"),
        std::pair("layers.2.mlp_in", "layers.2.mlp_out")}) {
    const std::string text = error_of([&] { (void)layer_map(*model, from, to); });
    EXPECT_THAT(text, HasSubstr(saffron::cat("no map from '", from, "' to '", to, "'")));
    EXPECT_THAT(text, HasSubstr("layers.L.mlp_in to layers.L.mlp_out, L = 0 to 1"));
  }
  const auto map = layer_map(*model, "layers.0.mlp_in", "layers.0.mlp_out");
  Problem p = make_problem(5, 7, at::kFloat);
  p.in_index = p.in_index.to(at::kInt);
  EXPECT_THAT(error_of([&] { (void)jacobian(*map, p); }), HasSubstr("in_index is Int [6, 3]"));
  p = make_problem(5, 7, at::kFloat);
  p.out_rows = p.out_rows.narrow(1, 0, 30);
  EXPECT_THAT(error_of([&] { (void)jacobian(*map, p); }),
              HasSubstr("out_rows has shape [7, 30], expected [*, 32]"));
}

}  // namespace
}  // namespace llama_test
