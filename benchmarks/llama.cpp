// Tokens a second through SmolLM2-135M-Instruct (Q4_1), float32: the whole pass to the logits, and the
// pass that an SAE on layer 10 needs. benchmarks/peers/llama_forward.py runs eager PyTorch beside it.

#include "framework/loader/component.h"
#include "framework/loader/load.h"
#include "framework/loader/lone_services.h"

#include <saffron/model.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

namespace {

std::shared_ptr<saffron::Model> open_model() {
  static saffron::host::LoneServices services;
  const saffron::host::LoadedPlugin& plugin = saffron::host::load_plugin(
      saffron::host::read_plugin_file(SAFFRON_BUILD_DIR "/lib/saffron/plugins/libllama.so"));
  const saffron::host::Component component(plugin, plugin.descriptor->components[0]);
  saffron::Value config = saffron::Value::table();
  config.set("path", SAFFRON_SOURCE_DIR "/models/SmolLM2-135M-Instruct.Q4_1.gguf");
  return component.create_as<saffron::Model>(config, services, component.place());
}

saffron::Model& model() {
  static const std::shared_ptr<saffron::Model> kept = open_model();
  return *kept;
}

// Any ids do: the time does not depend on them.
at::Tensor tokens(const benchmark::State& state) {
  const std::int64_t batch = state.range(0), length = state.range(1);
  return (at::arange(batch * length) * 7919).remainder(49152).view({batch, length});
}

void logits(benchmark::State& state) {
  const at::Tensor ids = tokens(state);
  benchmark::DoNotOptimize(model().run(ids, {}, {}, true));  // reads the weights
  for (auto _ : state) benchmark::DoNotOptimize(model().run(ids, {}, {}, true));
  state.SetItemsProcessed(state.iterations() * ids.numel());
}

void layer_10(benchmark::State& state) {
  const at::Tensor ids = tokens(state);
  const std::vector<std::string> taps = {"layers.10.resid_post"};
  benchmark::DoNotOptimize(model().run(ids, taps, {}, false));
  for (auto _ : state) benchmark::DoNotOptimize(model().run(ids, taps, {}, false));
  state.SetItemsProcessed(state.iterations() * ids.numel());
}

BENCHMARK(logits)->Args({4, 128})->Args({2, 512})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(layer_10)->Args({16, 128})->Args({4, 512})->Unit(benchmark::kMillisecond)->UseRealTime();

void read_weights(benchmark::State& state) {
  const at::Tensor ids = at::arange(4).view({1, 4});
  for (auto _ : state) benchmark::DoNotOptimize(open_model()->run(ids, {}, {}, true));
}
BENCHMARK(read_weights)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
