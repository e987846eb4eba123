// A whole training step over the dense float32 encoder product alone, at the same shape and number of
// threads, in turns in one process. The step is the host's: its trainer, plugins loaded from the build
// tree, squared error, Adam with clipping. Rows are Gaussian and lie in memory already.
//
//   step/<architecture>/<d>/<F>/<k>/<B>/<threads>
//     ratio      median over rounds of  time of a step / time of the product
//     cpu_ratio  least processor time of a step, of all threads / least of the product: what comes nearest
//                to an idle machine's ratio on a busy one
//     peak_mb    most memory held during steps, over that after the first product
//     state_mb   parameters and optimiser state
//
// --rounds=9 sets how many rounds there are. --unit=amx, vnni or none screens the encoders on that instead of the
// best that the processor has. --parts adds the least milliseconds of processor time that
// the product takes, a step, its pieces by themselves (of top-k codes), and what is left for the rest.

#include "benchmarks/step_bench.h"
#include "sdk/ops/cpu/screening_unit.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <benchmark/benchmark.h>
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace saffron;
using namespace saffron::bench;

int rounds = 9;
bool with_parts = false;

// One line a kind of SAE: name in the benchmark's, component, its options, what makes the state that
// is to be measured.
const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all = {
      {"topk", "topk", top_k_options, as_initialised},
      {"topk_dead", "topk", top_k_options, every_tenth_latent_dead},
      {"batch_topk", "batch_topk", top_k_options, as_initialised},
      {"matryoshka", "matryoshka", top_k_options, as_initialised},
      {"relu", "relu", width_option, biased_to_64_active},
      {"jumprelu", "jumprelu", width_option, thresholds_for_64_active},
      {"gated", "gated", width_option, gates_for_64_active},
  };
  return all;
}

struct Seconds {
  double wall, processor;
};

double now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class F>
Seconds time(F&& work) {
  const Seconds start{now(CLOCK_MONOTONIC), now(CLOCK_PROCESS_CPUTIME_ID)};
  work();
  return {now(CLOCK_MONOTONIC) - start.wall, now(CLOCK_PROCESS_CPUTIME_ID) - start.processor};
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double least(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

// Of /proc/self/status, in MB.
double memory(std::string_view field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::strtod(line.c_str() + field.size() + 1, nullptr) / 1e3;
  }
  return 0;
}

// The kernel counts the peak (VmHWM) from here on.
void forget_peak() {
  ::malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
}

void measure(benchmark::State& state, const Architecture& architecture, const Shape& shape) {
  at::set_num_threads(shape.threads);
  const at::Tensor x = gaussian_rows(shape.batch, shape.width, 1);
  const at::Tensor W = gaussian_rows(shape.latents, shape.width, 2);
  at::Tensor product = at::empty({shape.batch, shape.latents});
  const auto multiply = [&] { at::mm_out(product, x, W.t()); };
  multiply();
  const auto rows = std::make_shared<Rows>(2 * shape.batch, shape.width);
  forget_peak();
  const double before = memory("VmRSS:");
  Training training(architecture, shape, rows);
  for (int i = 0; i < 2; ++i) training.step();
  const double peak = memory("VmHWM:") - before;

  std::vector<double> ratios, products, steps;
  for (auto _ : state) {
    const Seconds alone = time(multiply);
    const Seconds step = time([&] { training.step(); });
    state.SetIterationTime(step.wall);
    ratios.push_back(step.wall / alone.wall);
    products.push_back(alone.processor);
    steps.push_back(step.processor);
  }
  state.counters["ratio"] = median(ratios);
  state.counters["cpu_ratio"] = least(steps) / least(products);
  state.counters["peak_mb"] = peak;
  state.counters["state_mb"] = training.state_bytes() / 1e6;
  if (!with_parts || !training.has_top_k_codes()) return;

  double rest = least(steps);
  state.counters["product_ms"] = 1e3 * least(products);
  state.counters["step_ms"] = 1e3 * rest;
  for (const auto& [name, part] : training.parts()) {
    std::vector<double> times;
    for (int i = 0; i < rounds; ++i) times.push_back(time(part).processor);
    rest -= least(times);
    state.counters[name + "_ms"] = 1e3 * least(times);
  }
  state.counters["rest_ms"] = 1e3 * rest;
}

void add(const Architecture& architecture, const Shape& shape) {
  const std::string name = cat("step/", architecture.name, '/', shape.width, '/', shape.latents,
                               '/', shape.k, '/', shape.batch, '/', shape.threads);
  benchmark::RegisterBenchmark(
      name.c_str(),
      [&architecture, shape](benchmark::State& state) { measure(state, architecture, shape); })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->Iterations(rounds);
}

// Null for none; leaves the program where the processor lacks it.
const ops_cpu::ScreeningUnit* unit_named(std::string_view name) {
  const ops_cpu::ScreeningUnit* const unit = name == "amx"    ? ops_cpu::amx_unit()
                                             : name == "vnni" ? ops_cpu::vnni_unit()
                                                              : nullptr;
  if (unit == nullptr && name != "none") {
    std::cerr << "--unit: " << name << " is not on this processor\n";
    std::exit(1);
  }
  return unit;
}

// Takes our own options out of the command line.
void read_options(int& count, char** arguments) {
  int kept = 1;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument.starts_with("--rounds=")) {
      rounds = std::max(5, std::atoi(arguments[i] + std::string_view("--rounds=").size()));
    } else if (argument.starts_with("--unit=")) {
      ops_cpu::use_screening_unit(unit_named(argument.substr(std::string_view("--unit=").size())));
    } else if (argument == "--parts") {
      with_parts = true;
    } else {
      arguments[kept++] = arguments[i];
    }
  }
  count = kept;
}

}  // namespace

int main(int count, char** arguments) {
  read_options(count, arguments);
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  for (const Architecture& architecture : architectures()) {
    for (const int threads : {1, 2}) {
      add(architecture, {512, 8192, 32, 1024, threads});
      add(architecture, {768, 24576, 32, 2048, threads});
    }
  }
  host::keep_freed_memory();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
