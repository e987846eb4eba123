#include "tests/caught.h"
#include "tests/plugins/worlds/tabular/support.h"
#include "tests/temporary_folder.h"

#include <saffron/archives.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <limits>

// Transitions over their support only, and .npz files.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;
using test::caught;
using test::TemporaryFolder;

NamedTensors& set(NamedTensors& tensors, const std::string& name, at::Tensor value) {
  std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
  tensors.emplace_back(name, std::move(value));
  return tensors;
}

// Three states of which the last is terminal, two actions: the first stays, the second moves on.
NamedTensors sparse_tensors() {
  return {{"gamma", at::full({}, 0.5, at::kDouble)},
          {"mu0", at::tensor({1.0, 0.0, 0.0}, at::kDouble)},
          {"offsets", at::tensor({0, 1, 3, 4, 6, 7, 8}, at::kLong)},
          {"successors", at::tensor({0, 0, 1, 1, 1, 2, 2, 2}, at::kInt)},
          {"probabilities", at::tensor({1.0, 0.25, 0.75, 1.0, 0.5, 0.5, 1.0, 1.0}, at::kDouble)},
          {"terminal", at::tensor({0, 0, 1}, at::kLong)},
          {"rewards/r", at::arange(8, at::kDouble)},
          {"rewards/minus", -at::arange(8, at::kDouble)}};
}

TEST(TabularSparse, BothContainersHoldTheSameWorld) {
  const TemporaryFolder folder;
  for (const char* name : {"w.npz", "w.safetensors"}) {
    const std::string path = (folder / name).string();
    if (path.ends_with("npz")) {
      write_npz(path, sparse_tensors());
    } else {
      write_safetensors(path, sparse_tensors());
    }
    const Tabular world({.path = {path}});
    const Transitions& tau = world.transitions();
    EXPECT_EQ(world.info().description, "tabular MDP, 3 states, 2 actions, gamma 0.5, sparse");
    ASSERT_TRUE(tau.sparse());
    EXPECT_EQ(tau.states, 3);
    EXPECT_EQ(tau.actions, 2);
    // The loops of the terminal state, and with them their rewards, are gone.
    EXPECT_TRUE(tau.offsets.equal(at::tensor({0, 1, 3, 4, 6, 6, 6}, at::kLong)));
    EXPECT_TRUE(tau.successors.equal(at::tensor({0, 0, 1, 1, 1, 2}, at::kLong)));
    EXPECT_TRUE(tau.probabilities.equal(at::tensor({1.0, 0.25, 0.75, 1.0, 0.5, 0.5}, at::kDouble)));
    const std::int64_t r = world.info().rewards[0] == "r" ? 0 : 1;
    EXPECT_TRUE(world.rewards()[r].equal(at::arange(6, at::kDouble)));
    EXPECT_TRUE(world.rewards()[1 - r].equal(-at::arange(6, at::kDouble)));
    EXPECT_TRUE(world.terminal().equal(at::arange(3, at::kLong) == 2));
  }
}

// State 0 begins nothing: what is left are the last two.
TEST(TabularSparse, ReachableStates) {
  const TemporaryFolder folder;
  NamedTensors tensors = sparse_tensors();
  set(tensors, "mu0", at::tensor({0.0, 1.0, 0.0}, at::kDouble));
  write_npz(folder / "w.npz", tensors);
  const Tabular world(
      {.path = {(folder / "w.npz").string()}, .states = Tabular::States::reachable});
  const Transitions& tau = world.transitions();
  EXPECT_EQ(tau.states, 2);
  EXPECT_TRUE(tau.offsets.equal(at::tensor({0, 1, 3, 3, 3}, at::kLong)));
  EXPECT_TRUE(tau.successors.equal(at::tensor({0, 0, 1}, at::kLong)));
  EXPECT_TRUE(tau.probabilities.equal(at::tensor({1.0, 0.5, 0.5}, at::kDouble)));
  EXPECT_TRUE(world.rewards()[0].equal(at::tensor({3.0, 4.0, 5.0}, at::kDouble)));
  EXPECT_TRUE(world.terminal().equal(at::tensor({0, 1}, at::kLong).to(at::kBool)));
}

TEST(TabularSparse, EntriesOfProbabilityZeroAreNoSupport) {
  const TemporaryFolder folder;
  NamedTensors tensors = sparse_tensors();
  set(tensors, "probabilities", at::tensor({1.0, 0.0, 1.0, 1.0, 0.5, 0.5, 0.0, 0.0}, at::kDouble));
  write_npz(folder / "w.npz", tensors);
  const Tabular world({.path = {(folder / "w.npz").string()}});
  EXPECT_TRUE(world.transitions().offsets.equal(at::tensor({0, 1, 2, 3, 5, 5, 5}, at::kLong)));
  EXPECT_TRUE(world.transitions().successors.equal(at::tensor({0, 1, 1, 1, 2}, at::kLong)));
}

TEST(TabularSparse, JsonToo) {
  Value file = document();
  file.erase("tau");
  file.set("offsets", from_json("[0, 1, 2, 3, 5]", ""));
  file.set("successors", from_json("[0, 1, 1, 0, 1]", ""));
  file.set("probabilities", from_json("[1, 1, 1, 0.5, 0.5]", ""));
  file.set("rewards", from_json(R"({"r": [1, 2, 3, 4, 5]})", ""));
  const Tabular world = world_of(file);
  EXPECT_EQ(world.transitions().actions, 2);
  EXPECT_EQ(world.transitions().probabilities[4].item<double>(), 0.5);
  EXPECT_EQ(world.rewards()[0][4].item<double>(), 5);
}

// A ring of 10^5 states: what the dense form could not hold.
TEST(TabularSparse, ManyStates) {
  constexpr std::int64_t kStates = 100'000;
  const TemporaryFolder folder;
  const at::Tensor state = at::arange(kStates, at::kLong);
  write_npz(folder / "ring.npz",
            {{"gamma", at::full({}, 0.9, at::kDouble)},
             {"mu0", at::full({kStates}, 1.0 / kStates, at::kDouble)},
             {"offsets", at::arange(2 * kStates + 1, at::kLong) * 2},
             {"successors", at::stack({state, (state + 1) % kStates}, 1).repeat({1, 2}).view(-1)},
             {"probabilities", at::full({4 * kStates}, 0.5, at::kDouble)},
             {"rewards/r", at::arange(4 * kStates, at::kFloat)}});
  const Tabular world({.path = {(folder / "ring.npz").string()}});
  EXPECT_EQ(world.transitions().states, kStates);
  EXPECT_EQ(world.transitions().actions, 2);
  EXPECT_EQ(world.transitions().successors[4 * kStates - 1].item<std::int64_t>(), 0);
  EXPECT_EQ(world.rewards()[0][4 * kStates - 1].item<double>(), 4 * kStates - 1);
}

class SparseRefusals : public ::testing::Test {
 protected:
  std::string refusal(const std::string& name, const at::Tensor& value) {
    NamedTensors tensors = sparse_tensors();
    return refusal(set(tensors, name, value));
  }
  std::string refusal(const NamedTensors& tensors) {
    const std::string path = (folder_ / "w.npz").string();
    write_npz(path, tensors);
    const Error error = caught([&] { (void)Tabular({.path = {path}}); });
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_EQ(error.where(), path);
    return error.help().empty() ? error.message() : error.message() + " | " + error.help();
  }

  TemporaryFolder folder_;
};

TEST_F(SparseRefusals, Structure) {
  EXPECT_EQ(refusal("offsets", at::tensor({0, 1, 3, 4, 6, 8}, at::kLong)),
            "offsets has the shape [6], not [S A + 1], with S = 3 | row s * A + a holds the "
            "successors of state s "
            "under action a");
  EXPECT_EQ(refusal("offsets", at::tensor({1, 1, 3, 4, 6, 7, 8}, at::kLong)),
            "offsets[0] = 1 is not 0");
  EXPECT_EQ(refusal("offsets", at::tensor({0, 3, 1, 4, 6, 7, 8}, at::kLong)),
            "offsets[2] = 1 is below offsets[1] = 3");
  EXPECT_EQ(refusal("offsets", at::tensor({0, 1, 3, 4, 6, 7, 9}, at::kLong)),
            "offsets[6] = 9 is not the number of successors, 8");
  EXPECT_EQ(refusal("successors", at::tensor({0, 0, 1, 1, 1, 3, 2, 2}, at::kLong)),
            "successors[5] = 3 is no state of 3");
  EXPECT_EQ(
      refusal("successors", at::tensor({0.0, 0.5, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0}, at::kDouble)),
      "successors[1] = 0.5 is not a whole number");
  EXPECT_EQ(refusal("successors", at::tensor({0, 1, 1, 1, 1, 2, 2, 2}, at::kLong)),
            "state 0, action 1: successor 1 comes twice | give it once, with the sum of its "
            "probabilities");
  EXPECT_EQ(refusal("probabilities", at::ones({7}, at::kDouble)),
            "probabilities has the shape [7], not [nnz] = [8]");
  EXPECT_EQ(refusal("rewards/r", at::ones({3, 2, 3}, at::kDouble)),
            "reward 'r' has the shape [3, 2, 3], not [nnz] = [8]");
}

TEST_F(SparseRefusals, NotStochastic) {
  EXPECT_EQ(
      refusal("probabilities", at::tensor({1.0, 0.25, 0.5, 1.0, 0.5, 0.5, 1.0, 1.0}, at::kDouble)),
      "state 0, action 1 sums to 0.75, not to 1 within 1e-09");
  EXPECT_EQ(refusal("probabilities",
                    at::tensor({1.0, -0.25, 1.25, 1.0, 0.5, 0.5, 1.0, 1.0}, at::kDouble)),
            "probabilities[1] = -0.25 is not a probability");
  EXPECT_EQ(refusal("probabilities", at::full({8}, std::numeric_limits<float>::quiet_NaN())),
            "probabilities[0] = nan is not a finite number");
}

TEST_F(SparseRefusals, Terminal) {
  EXPECT_EQ(refusal("successors", at::tensor({0, 0, 1, 1, 1, 2, 0, 2}, at::kLong)),
            "state 2, action 0: successor 0 has probability 1, but state 2 is terminal | a "
            "terminal state's rows are all zero, or stay in the state");
  NamedTensors none = sparse_tensors();
  set(none, "probabilities", at::tensor({1.0, 0.25, 0.75, 1.0, 0.5, 0.5, 0.0, 0.0}, at::kDouble));
  EXPECT_EQ(refusal(set(none, "terminal", at::tensor({0, 0, 0}, at::kLong))),
            "state 2, action 0 sums to 0, not to 1 within 1e-09 | a state without successors must "
            "be declared: \"terminal\": [false, true, ...]");
}

TEST_F(SparseRefusals, DenseAndSparse) {
  EXPECT_EQ(refusal("tau", at::ones({1, 1, 1}, at::kDouble)),
            "there are both 'tau' and offsets, successors or probabilities | give the transitions "
            "dense or sparse");
  NamedTensors tensors = sparse_tensors();
  std::erase_if(tensors, [](const auto& entry) { return entry.first == "successors"; });
  EXPECT_TRUE(refusal(tensors).starts_with("there is no 'successors'"));
  EXPECT_EQ(refusal("mu0", at::full({}, 1.0, at::kDouble)), "mu0 is a single number, not [S]");
}

}  // namespace
}  // namespace saffron::plugins
