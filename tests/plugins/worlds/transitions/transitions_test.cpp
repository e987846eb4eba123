#include "tests/caught.h"
#include "tests/plugins/worlds/transitions/support.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include <limits>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;
using test::caught;

std::int64_t named(const World& world, const std::string& name) {
  const std::vector<std::string>& names = world.info().rewards;
  return std::find(names.begin(), names.end(), name) - names.begin();
}

TEST(SampledTransitions, WhatTheFileSays) {
  const SampleFile file(line());
  const SampledTransitions world(file.options);
  EXPECT_EQ(world.info().description, "5 transitions of 2 episodes, gamma 0.9");
  EXPECT_EQ(world.gamma(), 0.9);
  EXPECT_EQ(world.states().scalar_type(), at::kLong);
  EXPECT_EQ(world.actions().scalar_type(), at::kDouble);
  EXPECT_TRUE(world.next_states().equal(at::tensor({1, 2, 3, 2, 3}, at::kLong)));
  EXPECT_TRUE(world.terminal().equal(at::tensor({0, 0, 1, 0, 1}, at::kLong) != 0));
  EXPECT_TRUE(world.episodes().equal(at::tensor({7, 7, 7, 9, 9}, at::kLong)));
  EXPECT_TRUE(
      world.evaluate(named(world, "cost"), world.states(), world.actions(), world.next_states())
          .equal(at::tensor({-1.0, -2.0, -3.0, -2.0, -3.0}, at::kDouble)));
}

TEST(SampledTransitions, TheRecipesGammaWins) {
  SampleFile file(line());
  file.options.gamma = 0.5;
  EXPECT_EQ(SampledTransitions(file.options).gamma(), 0.5);
}

TEST(SampledTransitions, EpisodesEndWithTerminalTransitions) {
  NamedTensors tensors = line();
  std::erase_if(tensors, [](const auto& entry) { return entry.first == "episodes"; });
  const SampleFile file(tensors);
  EXPECT_TRUE(
      SampledTransitions(file.options).episodes().equal(at::tensor({0, 0, 0, 1, 1}, at::kLong)));
  std::erase_if(tensors, [](const auto& entry) { return entry.first == "terminal"; });
  const SampleFile endless(tensors);
  EXPECT_EQ(SampledTransitions(endless.options).info().description,
            "5 transitions of 1 episode, gamma 0.9");
}

// In any order, batch, dtype and layout.
TEST(SampledTransitions, LooksUpWhatItKnows) {
  const SampleFile file(line());
  const SampledTransitions world(file.options);
  const std::int64_t goal = named(world, "goal"), cost = named(world, "cost");
  const at::Tensor states = at::tensor({2.0, 0.0}, at::kFloat);
  const at::Tensor actions =
      at::tensor({1.0, 9.0, 1.0, 9.0}, at::kDouble).view({2, 2}).narrow(1, 0, 1);
  const at::Tensor next = at::tensor({3, 1}, at::kInt);
  EXPECT_TRUE(
      world.evaluate(goal, states, actions, next).equal(at::tensor({1.0, 0.0}, at::kDouble)));
  EXPECT_TRUE(
      world.evaluate(cost, states, actions, next).equal(at::tensor({-3.0, -1.0}, at::kDouble)));
}

TEST(SampledTransitions, NothingAsked) {
  const SampleFile file(line());
  const SampledTransitions world(file.options);
  const auto none = [](const at::Tensor& x) { return x.narrow(0, 0, 0); };
  const at::Tensor found =
      world.evaluate(0, none(world.states()), none(world.actions()), none(world.next_states()));
  EXPECT_EQ(found.sizes(), at::IntArrayRef{0});
}

// -0 is 0, and NaN is nothing that is known.
TEST(SampledTransitions, OddNumbers) {
  NamedTensors tensors = line();
  set(tensors, "states", at::tensor({0.0, 1.0, 2.0, 1.0, 2.0}, at::kDouble));
  const SampleFile file(tensors);
  const SampledTransitions world(file.options);
  const at::Tensor states =
      at::tensor({-0.0, std::numeric_limits<double>::quiet_NaN()}, at::kDouble);
  EXPECT_TRUE(world.known(states, world.actions().narrow(0, 0, 2), at::tensor({1, 2}, at::kLong))
                  .equal(at::tensor({1, 0}, at::kLong) != 0));
}

TEST(SampledTransitions, SaysWhatItDoesNotKnow) {
  const SampleFile file(line());
  const SampledTransitions world(file.options);
  const at::Tensor states = at::tensor({2, 0, 0}, at::kLong),
                   next = at::tensor({3, 3, 2}, at::kLong);
  const at::Tensor actions = at::tensor({1.0, 1.0, 0.5}, at::kDouble).view({3, 1});
  EXPECT_TRUE(world.known(states, actions, next).equal(at::tensor({1, 0, 0}, at::kLong) != 0));
  const Error error = caught([&] { (void)world.evaluate(0, states, actions, next); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_EQ(error.where(), file.path());
  EXPECT_EQ(error.message(),
            "the rewards are not known of transition 1 of 3, from state [0] by action [1] to state "
            "[3]");
  EXPECT_EQ(
      error.help(),
      "evaluate the reward models on such transitions too and add them as further/..., or use "
      "a distance that keeps to the data");
}

TEST(SampledTransitions, FurtherTransitions) {
  NamedTensors tensors = line();
  tensors.emplace_back("further/states", at::tensor({0}, at::kLong));
  tensors.emplace_back("further/actions", at::tensor({1.0}, at::kDouble).view({1, 1}));
  tensors.emplace_back("further/next_states", at::tensor({3}, at::kLong));
  tensors.emplace_back("further/rewards/cost", at::tensor({5.0}, at::kDouble));
  tensors.emplace_back("further/rewards/goal", at::tensor({6.0}, at::kDouble));
  const SampleFile file(tensors);
  const SampledTransitions world(file.options);
  EXPECT_EQ(world.states().size(0), 5);
  const at::Tensor state = at::tensor({0}, at::kLong), next = at::tensor({3}, at::kLong);
  const at::Tensor action = at::tensor({1.0}, at::kDouble).view({1, 1});
  EXPECT_EQ(world.evaluate(named(world, "cost"), state, action, next).item<double>(), 5);
  EXPECT_EQ(world.evaluate(named(world, "goal"), state, action, next).item<double>(), 6);
}

// Values of one transition that differ by rounding are averaged.
TEST(SampledTransitions, RepeatedTransitions) {
  NamedTensors tensors = line();
  set(tensors, "rewards/cost", at::tensor({-1.0, -2.0, -3.0, -2.000001, -3.0}, at::kDouble));
  SampleFile file(tensors);
  const SampledTransitions world(file.options);
  const at::Tensor found =
      world.evaluate(named(world, "cost"), world.states(), world.actions(), world.next_states());
  EXPECT_DOUBLE_EQ(found[1].item<double>(), -2.0000005);
  EXPECT_EQ(found[1].item<double>(), found[3].item<double>());
  set(tensors, "rewards/cost", at::tensor({-1.0, -2.0, -3.0, -4.0, -3.0}, at::kDouble));
  SampleFile apart(tensors);
  apart.options.spread = 1;
  const SampledTransitions mean(apart.options);
  EXPECT_EQ(mean.evaluate(named(mean, "cost"), mean.states(), mean.actions(), mean.next_states())[3]
                .item<double>(),
            -3);
}

TEST(SampledTransitions, ManyTransitions) {
  constexpr std::int64_t N = 200'000;
  const at::Tensor n = at::arange(N, at::kLong);
  const at::Tensor states = at::stack({n % 1000, n.div(1000, "floor")}, 1).to(at::kFloat);
  SampleFile file({{"states", states},
                   {"actions", n % 3},
                   {"next_states", states + 1},
                   {"rewards/n", n.to(at::kDouble)}});
  file.options.gamma = 0.9;
  const SampledTransitions world(file.options);
  const at::Tensor order = n.flip(0);
  const at::Tensor found = world.evaluate(0, world.states().index_select(0, order),
                                          world.actions().index_select(0, order),
                                          world.next_states().index_select(0, order));
  EXPECT_TRUE(found.equal(order.to(at::kDouble)));
}

}  // namespace
}  // namespace saffron::plugins
