#include "tests/caught.h"
#include "tests/plugins/worlds/transitions/support.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <limits>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;
using test::caught;

std::string refusal(const NamedTensors& tensors) {
  const SampleFile file(tensors);
  const Error error = caught([&] { (void)SampledTransitions(file.options); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_EQ(error.where(), file.path());
  return error.message();
}

std::string refusal(const std::string& name, const at::Tensor& value) {
  NamedTensors tensors = line();
  return refusal(set(tensors, name, value));
}

std::string without(const std::string& name) {
  NamedTensors tensors = line();
  std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
  return refusal(tensors);
}

TEST(SampledTransitionsRefusals, Missing) {
  EXPECT_EQ(without("states"), "there is no 'states'");
  EXPECT_EQ(without("actions"), "there is no 'actions'");
  EXPECT_EQ(without("next_states"), "there is no 'next_states'");
  NamedTensors tensors = line();
  std::erase_if(tensors, [](const auto& entry) { return entry.first.starts_with("rewards/"); });
  EXPECT_EQ(refusal(tensors), "there are no rewards");
  EXPECT_EQ(refusal("reward", at::ones({5})),
            "the tensor 'reward' is no part of sampled transitions");
  EXPECT_EQ(refusal("rewards/", at::ones({5})),
            "the tensor 'rewards/' is no part of sampled transitions");
  tensors = line();
  std::erase_if(tensors, [](const auto& entry) { return entry.first == "gamma"; });
  const SampleFile file(tensors);
  const Error error = caught([&] { (void)SampledTransitions(file.options); });
  EXPECT_EQ(error.message(), "there is no gamma, in the recipe or the file");
  EXPECT_EQ(error.help(), "gamma = 0.99");
}

TEST(SampledTransitionsRefusals, Shapes) {
  EXPECT_EQ(refusal("next_states", at::ones({5, 1}, at::kLong)),
            "next_states has the shape [5, 1], not that of states, [5], but for the first size");
  EXPECT_EQ(
      refusal("actions", at::ones({4, 1})),
      "actions has the shape [4, 1], and states [5]: their first sizes, of transitions, differ");
  EXPECT_EQ(refusal("states", at::ones({}, at::kLong)),
            "states has the shape [], not [N, ...] with N > 0");
  EXPECT_EQ(refusal("states", at::ones({0}, at::kLong)),
            "states has the shape [0], not [N, ...] with N > 0");
  EXPECT_EQ(refusal("rewards/cost", at::ones({5, 1})),
            "rewards/cost has the shape [5, 1], not [5]");
  EXPECT_EQ(refusal("terminal", at::ones({4})), "terminal has the shape [4], not [5]");
  EXPECT_EQ(refusal("episodes", at::ones({4}, at::kLong)), "episodes has the shape [4], not [5]");
  EXPECT_EQ(refusal("gamma", at::ones({2})), "gamma has the shape [2], not one number");
}

TEST(SampledTransitionsRefusals, Values) {
  EXPECT_EQ(refusal("gamma", at::ones({1})), "gamma = 1 is not in [0, 1)");
  EXPECT_EQ(
      refusal("actions", at::full({5, 1}, std::numeric_limits<double>::quiet_NaN(), at::kDouble)),
      "actions[0][0] = nan is not a finite number");
  EXPECT_EQ(refusal("rewards/cost", at::full({5}, -std::numeric_limits<float>::infinity())),
            "rewards/cost[0] = -inf is not a finite number");
  EXPECT_EQ(refusal("terminal", at::tensor({0.0, 0.0, 0.5, 0.0, 1.0}, at::kDouble)),
            "terminal[2] = 0.5 is neither true nor false");
  EXPECT_EQ(refusal("episodes", at::ones({5})),
            "episodes holds floating-point numbers (<f4), not integers");
  EXPECT_EQ(refusal("states", at::full({5}, std::int64_t{1} << 60, at::kLong)),
            "states[0] = 1152921504606846976 is beyond 2^53");
}

TEST(SampledTransitionsRefusals, Episodes) {
  EXPECT_EQ(refusal("episodes", at::tensor({7, 7, 7, 9, 7}, at::kLong)),
            "row 4 is of episode 7, which had ended before");
  EXPECT_EQ(refusal("episodes", at::tensor({7, 7, 7, 7, 7}, at::kLong)),
            "row 3 follows the terminal one of its episode, 7");
}

TEST(SampledTransitionsRefusals, RewardsThatAreNoFunction) {
  EXPECT_EQ(refusal("rewards/cost", at::tensor({-1.0, -2.0, -3.0, -4.0, -3.0}, at::kDouble)),
            "reward 'cost' of one transition is -2 in row 1 and -4 in row 3");
}

TEST(SampledTransitionsRefusals, Further) {
  NamedTensors tensors = line();
  tensors.emplace_back("further/states", at::tensor({0, 1}, at::kLong));
  EXPECT_EQ(refusal(tensors), "there is no 'further/actions'");
  tensors.emplace_back("further/actions", at::ones({2, 1}));
  tensors.emplace_back("further/next_states", at::tensor({3, 2}, at::kLong));
  tensors.emplace_back("further/rewards/cost", at::tensor({5.0, -7.0}, at::kDouble));
  EXPECT_EQ(refusal(tensors), "there is no 'further/rewards/goal'");
  tensors.emplace_back("further/rewards/goal", at::tensor({5.0, 0.0}, at::kDouble));
  EXPECT_EQ(refusal(tensors),
            "reward 'cost' of one transition is -2 in row 1 and -7 in row 1 of further");
  set(tensors, "further/rewards/cost", at::tensor({5.0, -2.0}, at::kDouble));
  tensors.emplace_back("further/rewards/more", at::tensor({5.0, 0.0}, at::kDouble));
  EXPECT_EQ(refusal(tensors), "further/rewards/more is of no reward of the data");
  tensors.emplace_back("further/terminal", at::ones({2}));
  EXPECT_EQ(refusal(tensors), "the tensor 'further/terminal' is no part of sampled transitions");
}

TEST(SampledTransitionsRefusals, WhatIsAsked) {
  const SampleFile file(line());
  const SampledTransitions world(file.options);
  const auto message = [&](std::int64_t reward, const at::Tensor& actions) {
    const Error error =
        caught([&] { (void)world.evaluate(reward, world.states(), actions, world.next_states()); });
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    return error.message();
  };
  EXPECT_EQ(message(2, world.actions()), "reward 2 of a world that has 2");
  EXPECT_EQ(message(0, at::ones({5})),
            "actions to evaluate have the shape [5], and those of the data [5, 1]");
  EXPECT_EQ(message(0, at::Tensor()),
            "actions to evaluate have no values, and those of the data [5, 1]");
}

}  // namespace
}  // namespace saffron::plugins
