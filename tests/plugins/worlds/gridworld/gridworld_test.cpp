#include "plugins/worlds/gridworld/gridworld.h"

#include "tests/plugins/worlds/planning.h"
#include "tests/temporary_folder.h"

#include <saffron/io.h>

#include <gtest/gtest.h>

#include <map>
#include <tuple>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;
using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // s, a, s'

constexpr std::int64_t kUp = 0, kRight = 1, kDown = 2, kLeft = 3, kStay = 4;

//  0 1 2
//  3 # 4
//  5 6 7
constexpr const char* kRing = R"(
  S..
  .#T
  .aG
)";

Gridworld::Options ring() {
  Gridworld::Options out;
  out.map = kRing;
  out.gamma = 0.9;
  out.rewards = {{.name = "goal", .step = -1, .enter = {{"G", 10}, {"T", -5}, {"a", 0.5}}}};
  return out;
}

std::map<Key, std::pair<double, double>> transitions(const TabularWorld& world, std::int64_t r) {
  std::map<Key, std::pair<double, double>> out;
  for_each_transition(world, r,
                      [&](std::int64_t s, std::int64_t a, std::int64_t next, double p, double v) {
                        out[{s, a, next}] = {p, v};
                      });
  return out;
}

TEST(Gridworld, ReadsTheMap) {
  const Gridworld world(ring());
  EXPECT_EQ(world.info().description, "gridworld, 8 states, 4 actions, gamma 0.9");
  EXPECT_EQ(world.mu0()[0].item<double>(), 1);
  for (std::int64_t s = 0; s < 8; ++s) {
    EXPECT_EQ(world.terminal()[s].item<bool>(), s == 4 || s == 7) << s;
  }
  const auto moves = transitions(world, 0);
  const std::map<Key, std::pair<double, double>> expected = {
      {{0, kUp, 0}, {1, -1}},    {{0, kRight, 1}, {1, -1}}, {{0, kDown, 3}, {1, -1}},
      {{0, kLeft, 0}, {1, -1}},  {{1, kDown, 1}, {1, -1}},  {{2, kDown, 4}, {1, -6}},
      {{3, kRight, 3}, {1, -1}}, {{6, kRight, 7}, {1, 9}},  {{5, kRight, 6}, {1, -0.5}},
      {{6, kUp, 6}, {1, -0.5}}};
  for (const auto& [key, value] : expected) {
    ASSERT_TRUE(moves.contains(key));
    EXPECT_EQ(moves.at(key), value);
  }
  EXPECT_EQ(moves.size(), 6 * 4);  // one successor each, and none after the end
}

TEST(Gridworld, SlipsToTheSides) {
  Gridworld::Options options = ring();
  options.slip = 0.2;
  options.stay = true;
  const auto moves = transitions(Gridworld(options), 0);
  EXPECT_EQ(moves.at({6, kRight, 7}).first, 0.8);
  EXPECT_EQ(moves.at({6, kRight, 6}).first, 0.2);  // the wall above, the map's edge below
  EXPECT_EQ(moves.at({0, kDown, 3}).first, 0.8);
  EXPECT_EQ(moves.at({0, kDown, 1}).first, 0.1);
  EXPECT_EQ(moves.at({0, kDown, 0}).first, 0.1);
  EXPECT_EQ(moves.at({3, kUp, 0}).first, 0.8);
  EXPECT_EQ(moves.at({3, kStay, 3}).first, 1);
}

TEST(Gridworld, StartsAnywhereWithoutAStart) {
  Gridworld::Options options = ring();
  options.map = "..\n.G\n";
  options.rewards = {{.name = "goal", .enter = {{"G", 1}}}};
  const Gridworld world(options);
  for (std::int64_t s = 0; s < 4; ++s) {
    EXPECT_DOUBLE_EQ(world.mu0()[s].item<double>(), s == 3 ? 0 : 1.0 / 3);
  }
  options.map = "S.\nSG\n";
  EXPECT_EQ(Gridworld(options).mu0()[2].item<double>(), 0.5);
}

// The lake of Gymnasium's FrozenLake-v1 (4x4), where a move goes to each of three sides alike; the
// value of the start was computed from its own tables.
TEST(Gridworld, FrozenLake) {
  Gridworld::Options options;
  options.map = "S...\n.T.T\n...T\nT..G\n";
  options.slip = 2.0 / 3;
  options.gamma = 0.99;
  options.rewards = {{.name = "goal", .enter = {{"G", 1}}}};
  EXPECT_NEAR(optimal_values(Gridworld(options), 0)[0], 0.542026, 5e-7);
}

TEST(Gridworld, DenseAndSparseAreOneWorld) {
  Gridworld::Options options = ring();
  options.slip = 0.3;
  options.rewards.push_back({.name = "near", .shaping = 2, .progress = 1});
  options.transitions = Gridworld::Layout::dense;
  const Gridworld dense(options);
  options.transitions = Gridworld::Layout::sparse;
  const Gridworld sparse(options);
  EXPECT_FALSE(dense.transitions().sparse());
  EXPECT_TRUE(sparse.transitions().sparse());
  for (std::int64_t r = 0; r < 2; ++r) EXPECT_EQ(transitions(dense, r), transitions(sparse, r));
}

TEST(Gridworld, LargeMapsAreSparse) {
  const test::TemporaryFolder folder;
  std::string rows;
  for (int i = 0; i < 320; ++i) rows += std::string(320, '.') + "\n";
  rows[0] = 'G';
  write_file_atomic(folder / "large.txt", rows);
  Gridworld::Options options = ring();
  options.map.clear();
  options.file.value = (folder / "large.txt").string();
  options.rewards = {{.name = "near", .shaping = 1}};
  const Gridworld world(options);
  EXPECT_TRUE(world.transitions().sparse());
  EXPECT_EQ(world.transitions().states, 320 * 320);
  // From the far corner upwards: 638 moves away, then 637.
  const std::int64_t row = (320 * 320 - 1) * 4 + kUp;
  const auto entry = world.transitions().offsets[row].item<std::int64_t>();
  EXPECT_NEAR(world.rewards()[0][entry].item<double>(), -0.9 * 637 + 638, 1e-12);
}

// V* of a shaped reward is V* - Phi, in a map where the trap is nearer than the goal; without the discount
// it is not.
TEST(Gridworld, ShapingIsPotentialShaping) {
  Gridworld::Options options = ring();
  options.slip = 0.25;
  options.rewards.resize(1);
  options.rewards.push_back(options.rewards[0]);
  options.rewards[1].name = "shaped";
  options.rewards[1].shaping = 3;
  options.rewards.push_back(options.rewards[0]);
  options.rewards[2].name = "progress";
  options.rewards[2].progress = 3;
  const Gridworld world(options);
  const std::vector<double> plain = optimal_values(world, 0), shaped = optimal_values(world, 1),
                            progress = optimal_values(world, 2);
  const std::vector<double> moves = {4, 5, 6, 3, 0, 2, 1, 0};  // not through the trap
  double apart = 0;
  for (std::size_t s = 0; s < moves.size(); ++s) {
    const double phi = -3 * moves[s];
    EXPECT_NEAR(shaped[s], plain[s] - phi, 1e-9) << s;
    apart = std::max(apart, std::abs(progress[s] - (plain[s] - phi)));
  }
  EXPECT_GT(apart, 0.1);
}

// The formula holds of every pair of states, as distances that read impossible transitions need.
TEST(Gridworld, ShapingOfImpossibleTransitions) {
  Gridworld::Options options = ring();
  options.rewards.push_back(options.rewards[0]);
  options.rewards[1].name = "shaped";
  options.rewards[1].shaping = 1;
  const Gridworld world(options);
  const at::Tensor change = world.rewards()[1] - world.rewards()[0];  // gamma Phi(s') - Phi(s)
  const std::vector<double> phi = {-4, -5, -6, -3, 0, -2, -1, 0};
  for (std::int64_t s = 0; s < 8; ++s) {
    for (std::int64_t next = 0; next < 8; ++next) {
      EXPECT_NEAR(change[s][1][next].item<double>(),
                  0.9 * phi[static_cast<std::size_t>(next)] - phi[static_cast<std::size_t>(s)],
                  1e-12);
    }
  }
}

}  // namespace
}  // namespace saffron::plugins
