#include "plugins/comparators/dard/dard.h"
#include "plugins/comparators/epic/epic.h"
#include "plugins/comparators/minimal/minimal.h"
#include "plugins/comparators/val/val.h"
#include "plugins/worlds/random_mdp/random_mdp.h"

#include <saffron/reward_planning.h>
#include <saffron/testing/fake_context.h>

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <memory>

// What a pair of rewards costs by the number of states: reward_distances/<what>/<S>, in random MDPs of 4
// actions, the first reward with each of 16 between it and the second. `us_per_pair` includes a pair's
// share of what is done once a world: factorisations and canonical forms. One thread.

namespace {

using namespace saffron;
using namespace saffron::plugins;

constexpr std::int64_t kSteps = 16;

RandomMdp world_of(std::int64_t states) {
  RandomMdp::Options options;
  options.states = states;
  options.interpolate = kSteps;
  options.sparse = 0;
  return {options, testing::FakeContext(1)};
}

template <class Run>
void measure(benchmark::State& state, Run run) {
  at::set_num_threads(1);
  const RandomMdp world = world_of(state.range(0));
  for (auto _ : state) {
    double sum = 0;
    run(world, sum);
    benchmark::DoNotOptimize(sum);
  }
  state.counters["us_per_pair"] = benchmark::Counter(
      1e-6 * static_cast<double>(kSteps) * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <class Comparator>
void distance(benchmark::State& state, Comparator by) {
  measure(state, [&](const RandomMdp& world, double& sum) {
    for (rewards::Canonical& form : by.forms(world)) {
      const rewards::Distances d(world, std::move(form), world.info().rewards, by.measures());
      for (std::int64_t i = 1; i <= kSteps; ++i) sum += d.between(0, i)[0];
    }
  });
}

template <class Number>
void planned(benchmark::State& state, Number number) {
  measure(state, [&](const RandomMdp& world, double& sum) {
    const rewards::PolicyReturns returns(world, world.info().rewards);
    for (std::int64_t i = 1; i <= kSteps; ++i) sum += number(returns, i);
  });
}

void add(const char* name, void (*run)(benchmark::State&)) {
  benchmark::RegisterBenchmark((std::string("reward_distances/") + name).c_str(), run)
      ->RangeMultiplier(2)
      ->Range(8, 512)
      ->Unit(benchmark::kMillisecond);
}

}  // namespace

int main(int argc, char** argv) {
  using saffron::rewards::PolicyReturns;
  add("VAL", [](benchmark::State& s) { distance(s, Val({{"2-2"}})); });
  add("VAL-all-norms", [](benchmark::State& s) { distance(s, Val({{"all"}})); });
  add("Minimal", [](benchmark::State& s) { distance(s, Minimal({{"2-2"}, {"one"}})); });
  add("EPIC", [](benchmark::State& s) { distance(s, Epic({{"2-2"}})); });
  add("EPIC-all-norms", [](benchmark::State& s) { distance(s, Epic({{"all"}})); });
  add("DARD", [](benchmark::State& s) { distance(s, Dard({.pairs = {"2-2"}})); });
  add("span", [](benchmark::State& s) {
    planned(s, [](const PolicyReturns& r, std::int64_t i) { return r.span_distance(0, i); });
  });
  add("regret", [](benchmark::State& s) {
    planned(s, [](const PolicyReturns& r, std::int64_t i) { return r.regret(0, i).pessimistic; });
  });
  add("w12", [](benchmark::State& s) {
    planned(s, [](const PolicyReturns& r, std::int64_t i) { return r.worst_case(0, i).regret; });
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
