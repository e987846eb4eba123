#include "tests/plugins/models/llama/open_model.h"
#include "tests/plugins/sources/model_activations/support.h"

#include <ATen/ops/ones.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// How much of a model runs for the activations that are read, on a small Llama.

namespace saffron::source_test {
namespace {

constexpr std::int64_t kRuns = 2;  // a block is 4 contexts, 3 and 1

std::atomic<std::int64_t> linears = 0;

std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
  const std::string_view name = function.name();
  if (name == "mkl::_mkl_linear" || name == "aten::linear") ++linears;
  return nullptr;
}

// Products with a layer's weights in each run for a block, once all weights are read.
std::int64_t linears_a_run(const std::shared_ptr<Model>& model,
                           const std::vector<std::string>& sites) {
  Bench bench;
  bench.options.model = Ref<Model>("lm", model);
  bench.options.sites = sites;
  const auto source = bench.make();
  static_cast<void>(source->info());
  const at::CallbackHandle handle = at::addGlobalCallback(at::RecordFunctionCallback(count));
  linears = 0;
  static_cast<void>(source->block(0));
  at::removeCallback(handle);
  EXPECT_EQ(linears % kRuns, 0);
  return linears / kRuns;
}

// SAELens until 6.44.2: under Hugging Face's names of hooks no run stopped early, and all layers ran.
TEST(LayersRun, SAELensRanAllLayersUnderSomeNames) {
  for (const char* dtype : {"float32", "float64"}) {
    const auto model =
        llama_test::open(std::filesystem::path(kSourceDir) / "tests/fixtures/llama/tiny", dtype);
    static_cast<void>(model->run(at::ones({1, 4}, at::kLong), {}, {}, true));
    // Before attention's output are its two products, before the MLP's its own two.
    for (const SiteInfo& site : model->sites()) {
      const std::string point = site.name.substr(site.name.rfind('.') + 1);
      const std::int64_t of_layer = point == "embed" || point == "resid_pre"      ? 0
                                    : point == "mlp_out" || point == "resid_post" ? 4
                                                                                  : 2;
      const std::int64_t below = 4 * std::max<std::int64_t>(site.layer, 0);
      EXPECT_EQ(linears_a_run(model, {site.name}), below + of_layer) << dtype << ' ' << site.name;
    }
    EXPECT_EQ(linears_a_run(model, {"layers.0.resid_post", "embed"}), 4);
    EXPECT_EQ(linears_a_run(model, {"layers.1.attn_out", "layers.0.mlp_in"}), 6);
  }
}

}  // namespace
}  // namespace saffron::source_test
