// Tokens a second through SmolLM2-135M-Instruct (Q4_1), float32: the whole pass to the logits, and
// the pass that an SAE on layer 10 needs.
//
// With --serve it takes "logits 4 128" from each line of its input and answers with the seconds of
// one pass: benchmarks/peers/llama_forward.py so lets it and eager PyTorch take turns.

#include "framework/loader/component.h"
#include "framework/loader/load.h"
#include "framework/loader/lone_services.h"

#include <saffron/model.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
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

struct Case {
  std::string name;
  std::int64_t batch = 0, length = 0;
};

saffron::RunResult run(const Case& wanted) {
  // Any ids do: the time does not depend on them.
  const at::Tensor ids = at::arange(wanted.batch * wanted.length).mul(7919).remainder(49152);
  const at::Tensor tokens = ids.view({wanted.batch, wanted.length});
  if (wanted.name == "logits") return model().run(tokens, {}, {}, true);
  const std::vector<std::string> taps = {"layers.10.resid_post"};
  return model().run(tokens, taps, {}, false);
}

void measure(benchmark::State& state, const char* name) {
  const Case wanted{name, state.range(0), state.range(1)};
  benchmark::DoNotOptimize(run(wanted));  // reads the weights
  for (auto _ : state) benchmark::DoNotOptimize(run(wanted));
  state.SetItemsProcessed(state.iterations() * wanted.batch * wanted.length);
}

BENCHMARK_CAPTURE(measure, logits, "logits")
    ->Args({4, 128})
    ->Args({2, 512})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(measure, layer_10, "layer_10")
    ->Args({16, 128})
    ->Args({4, 512})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void read_weights(benchmark::State& state) {
  const at::Tensor tokens = at::arange(4).view({1, 4});
  for (auto _ : state) benchmark::DoNotOptimize(open_model()->run(tokens, {}, {}, true));
}
BENCHMARK(read_weights)->Unit(benchmark::kMillisecond)->UseRealTime();

void serve() {
  Case wanted;
  while (std::cin >> wanted.name >> wanted.batch >> wanted.length) {
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(run(wanted));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout << seconds.count() << std::endl;
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::string_view(arguments[1]) == "--serve") {
    serve();
    return 0;
  }
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
