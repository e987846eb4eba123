#include "plugins/comparators/dard/dard.h"
#include "plugins/comparators/epic/epic.h"
#include "plugins/comparators/minimal/minimal.h"
#include "plugins/comparators/val/val.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/reward_planning.h>

#include <ATen/Parallel.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <map>

// The published comparison of reward distances (Skalse et al. 2024, section 4.1) on a 48th of its
// pairs, with exact regrets in the place of sampled ones: distances that are sound go with regret more
// closely than those that are not.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

constexpr std::int64_t kStates = 32, kActions = 4;
constexpr int kWorlds = 16, kPairs = 4, kSteps = 16;

class Protocol {
 public:
  explicit Protocol(std::uint64_t seed) : random_(seed), engine_(seed) {}

  // Standard normal logits, of which those below 1 are all but impossible.
  at::Tensor transitions() {
    const at::Tensor logits = random_.normal({kStates, kActions, kStates});
    return at::where(logits > 1, logits, -20.0).softmax(-1);
  }

  at::Tensor reward() {
    at::Tensor R = random_.normal({kStates, kActions, kStates});
    if (chance(0.2)) R = R * (R > 3);
    if (chance(0.7)) R = R * number(10);
    if (chance(0.3)) R = R + number(10);
    if (chance(0.5)) {
      const at::Tensor phi = random_.normal({kStates}) * number(10) + number(1);
      R = R + (0.95 * phi.view({1, 1, kStates}) - phi.view({kStates, 1, 1}));
    }
    return R;
  }

 private:
  double number(double below) { return std::uniform_real_distribution<double>(0, below)(engine_); }
  bool chance(double p) { return number(1) < p; }

  RandomWorlds random_;
  std::mt19937_64 engine_;
};

double pearson(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    mx += x[i] / n;
    my += y[i] / n;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
    xy += (x[i] - mx) * (y[i] - my);
  }
  return xy / std::sqrt(xx * yy);
}

using Columns = std::map<std::string, std::vector<double>>;

// Of the first reward and each interpolant, by key. Near-trivial rewards are left out: their regret
// is 0 / 0.
void add_rows(const MemoryWorld& world, Columns& out) {
  const std::vector<std::string> two = {"2-2"};
  std::vector<Comparison> found;
  found.push_back(Val({two}).compare(world));
  found.push_back(Epic({two}).compare(world));
  found.push_back(Dard({.pairs = two}).compare(world));
  found.push_back(Minimal({.pairs = two, .weights = {"tau"}}).compare(world));
  const rewards::PolicyReturns returns(world, world.info_.rewards);
  const at::Tensor rbar = rewards::expected_rewards(world.transitions_.dense, world.rewards_);
  const auto near_trivial = [&](std::int64_t i) {
    return returns.range(i) < 1e-5 * largest(rbar[i]);
  };
  for (std::int64_t i = 1; i <= kSteps; ++i) {
    if (near_trivial(0) || near_trivial(i)) continue;
    for (const Comparison& comparison : found) {
      out[comparison.metrics[0].key].push_back(between(comparison.metrics[0], 0, i));
    }
    out["regret"].push_back((returns.regret(0, i).pessimistic + returns.regret(i, 0).pessimistic) /
                            2);
    out["span"].push_back(returns.span_distance(0, i));
    out["w12"].push_back(returns.worst_case(0, i).regret);
  }
}

TEST(Protocol, SoundDistancesGoWithRegret) {
  at::set_num_threads(1);  // a hundred thousand small operations would wait for each other
  Columns columns;
  for (int env = 0; env < kWorlds; ++env) {
    Protocol protocol(static_cast<std::uint64_t>(1000 + env));
    const at::Tensor tau = protocol.transitions();
    for (int pair = 0; pair < kPairs; ++pair) {
      const at::Tensor first = protocol.reward(), second = protocol.reward();
      std::vector<std::pair<std::string, at::Tensor>> named = {{"first", first}};
      for (int i = 1; i <= kSteps; ++i) {
        named.emplace_back(cat("step ", i), first + i / double{kSteps} * (second - first));
      }
      add_rows(MemoryWorld(tau, uniform({kStates}), 0.95, named), columns);
    }
  }
  const auto with = [&](const char* a, const char* b) {
    const double rho = pearson(columns.at(a), columns.at(b));
    std::cout << a << " and " << b << ": " << rho << " of " << columns.at(a).size() << "\n";
    return rho;
  };
  ASSERT_GE(columns.at("w12").size(), 900u);
  const double val = with("VAL/2-2", "regret");
  EXPECT_GT(val, with("EPIC/2-2", "regret") + 0.04);
  EXPECT_GT(val, with("DARD/2-2", "regret") + 0.04);
  EXPECT_GT(with("span", "regret"), val);
  EXPECT_GE(with("VAL/2-2", "w12"), 0.97);
  EXPECT_GE(with("Minimal_tauL2/2-2", "w12"), 0.97);
  for (std::size_t i = 0; i < columns.at("w12").size(); ++i) {
    const double w = columns.at("w12")[i], d = columns.at("span")[i];
    EXPECT_LE(w, d + 1e-9);
    EXPECT_LE(d, 2 * w + 1e-9);
  }
}

}  // namespace
}  // namespace saffron::plugins
