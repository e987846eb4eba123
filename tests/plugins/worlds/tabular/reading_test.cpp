#include "tests/plugins/worlds/tabular/support.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

TEST(TabularReading, WhatTheFileSays) {
  const Tabular world = world_of(document());
  EXPECT_EQ(world.info().description, "tabular MDP, 2 states, 2 actions, gamma 0.8");
  EXPECT_EQ(world.info().rewards, (std::vector<std::string>{"good", "bad"}));  // the file's order
  EXPECT_EQ(world.gamma(), 0.8);
  EXPECT_FALSE(world.transitions().sparse());
  EXPECT_EQ(world.transitions().states, 2);
  EXPECT_EQ(world.transitions().actions, 2);
  EXPECT_EQ(world.transitions().dense[1][0][1].item<double>(), 0.5);
  EXPECT_EQ(world.transitions().dense[0][1][0].item<double>(), 0.2);
  EXPECT_EQ(world.mu0()[0].item<double>(), 0.75);
  ASSERT_EQ(world.rewards().sizes(), (at::IntArrayRef{2, 2, 2, 2}));
  EXPECT_EQ(world.rewards()[0][1][0][1].item<double>(), 3);
  EXPECT_EQ(world.rewards()[1][1][1][0].item<double>(), -1);
}

TEST(TabularReading, UniformWhereTheFileIsSilent) {
  const Tabular world = world_of(document());
  EXPECT_EQ(largest(world.policy() - 0.5), 0);
  EXPECT_EQ(largest(world.state_distribution() - 0.5), 0);
  EXPECT_EQ(largest(world.action_distribution() - 0.5), 0);
  EXPECT_FALSE(world.terminal().any().item<bool>());
}

TEST(TabularReading, TextsAreRemarks) {
  Value file = document();
  file.set("description", "two states");
  EXPECT_EQ(world_of(file).info().rewards.size(), 2U);
}

// A state that nothing leads to, between the two.
TEST(TabularReading, ReachableStates) {
  Value file = document();
  file.set("mu0", from_json("[0.75, 0, 0.25]", ""));
  file.set("tau", from_json(R"([[[0.75, 0, 0.25], [0.2, 0, 0.8]], [[0.3, 0.3, 0.4], [1, 0, 0]],
                                [[0.5, 0, 0.5], [0.9, 0, 0.1]]])",
                            ""));
  file.set("rewards", from_json(R"({"good": [[[1, 7, 0], [2, 7, -1]], [[7, 7, 7], [7, 7, 7]],
                                             [[0, 7, 3], [1, 7, 1]]]})",
                                ""));
  file.set("policy", from_json("[[0.25, 0.75], [1, 0], [0.5, 0.5]]", ""));
  file.set("D_S", from_json("[0.2, 0.5, 0.3]", ""));
  file.set("terminal", from_json("[false, false, false]", ""));
  const Folder folder;
  const std::string path = folder.write("world.json", to_json(file));
  const Tabular all({.path = {path}}),
      world({.path = {path}, .states = Tabular::States::reachable});
  EXPECT_EQ(all.transitions().states, 3);
  EXPECT_EQ(world.info().description,
            "tabular MDP, 2 states, 2 actions, gamma 0.8, less 1 that no policy reaches");
  const Tabular two = world_of(document());
  EXPECT_TRUE(world.transitions().dense.equal(two.transitions().dense));
  EXPECT_TRUE(world.rewards()[0].equal(two.rewards()[0]));
  EXPECT_TRUE(world.mu0().equal(two.mu0()));
  EXPECT_EQ(world.policy()[1][0].item<double>(), 0.5);
  EXPECT_EQ(world.terminal().numel(), 2);
  EXPECT_NEAR(world.state_distribution()[1].item<double>(), 0.6, 1e-15);
  file.set("D_S", from_json("[0, 1, 0]", ""));
  const std::string none = folder.write("none.json", to_json(file));
  EXPECT_THROW(Tabular({.path = {none}, .states = Tabular::States::reachable}), Error);
}

TEST(TabularReading, OptionalParts) {
  Value file = document();
  file.set("policy", from_json("[[0.25, 0.75], [1, 0]]", ""));
  file.set("D_S", from_json("[0.1, 0.9]", ""));
  file.set("D_A", from_json("[1, 0]", ""));
  const Tabular world = world_of(file);
  EXPECT_EQ(world.policy()[0][1].item<double>(), 0.75);
  EXPECT_EQ(world.policy()[1][0].item<double>(), 1);
  EXPECT_EQ(world.state_distribution()[1].item<double>(), 0.9);
  EXPECT_EQ(world.action_distribution()[0].item<double>(), 1);
}

// Sums within 1e-9 of 1 are rounding: the rows are divided by them.
TEST(TabularReading, ProbabilitiesAreBroughtToSumOne) {
  Value file = document();
  file.set("mu0", from_json("[0.3333333333, 0.6666666666]", ""));
  EXPECT_NEAR(world_of(file).mu0().sum().item<double>(), 1, 1e-15);
}

// A terminal state is given without successors, or with the customary loop: both end the episode.
TEST(TabularReading, TerminalStates) {
  for (const char* rows : {"[[0, 0], [0, 0]]", "[[0, 1], [0, 1]]", "[[0, 0], [0, 1]]"}) {
    Value file = document();
    file.set("tau", from_json(cat("[[[0.75, 0.25], [0.2, 0.8]], ", rows, "]"), ""));
    file.set("terminal", from_json("[false, true]", ""));
    const Tabular world = world_of(file);
    EXPECT_EQ(largest(world.transitions().dense[1]), 0) << rows;
    EXPECT_EQ(world.transitions().dense[0][0][0].item<double>(), 0.75);
    EXPECT_TRUE(world.terminal()[1].item<bool>());
    EXPECT_FALSE(world.terminal()[0].item<bool>());
  }
}

TEST(TabularReading, SafetensorsHoldTheSameWorld) {
  const Tabular json = world_of(document());
  const Folder folder;
  write_safetensors(folder.file("w.safetensors"),
                    {{"gamma", at::full({}, 0.8, at::kDouble)},
                     {"mu0", json.mu0()},
                     {"tau", json.transitions().dense},
                     {"terminal", at::full({2}, false, at::kBool)},
                     {"rewards/good", json.rewards()[0].to(at::kHalf)},
                     {"rewards/bad", json.rewards()[1]}});
  const Tabular world({.path = {folder.file("w.safetensors")}});
  EXPECT_EQ(world.gamma(), 0.8);
  EXPECT_EQ(largest(world.transitions().dense - json.transitions().dense), 0);
  EXPECT_EQ(world.rewards().scalar_type(), at::kDouble);
  for (std::int64_t i = 0; i < 2; ++i) {
    const std::int64_t same = world.info().rewards[static_cast<std::size_t>(i)] == "good" ? 0 : 1;
    EXPECT_EQ(largest(world.rewards()[i] - json.rewards()[same]), 0);
  }
}

// Rows of float32 sum to 1 within 1e-6 only.
TEST(TabularReading, SafetensorsOfSingles) {
  const Folder folder;
  const at::Tensor tau = at::full({3, 1, 3}, 1.0 / 3, at::kFloat) + 1e-8;
  write_safetensors(folder.file("w.safetensors"), {{"gamma", at::full({1}, 0.5, at::kDouble)},
                                                   {"mu0", tau[0][0].contiguous()},
                                                   {"tau", tau},
                                                   {"rewards/r", tau}});
  const Tabular world({.path = {folder.file("w.safetensors")}});
  EXPECT_LT(largest(world.transitions().dense.sum(-1) - 1), 1e-15);
}

}  // namespace
}  // namespace saffron::plugins
