#include "tests/plugins/worlds/tabular/support.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>

#include <limits>

// Each refusal in its own words.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

// The message of what reading the changed document throws, with its help.
std::string refusal(const Value& changed) {
  try {
    (void)world_of(changed);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_NE(error.where().find("world.json"), std::string::npos) << error.where();
    return error.help().empty() ? error.message() : error.message() + " | " + error.help();
  }
  return "accepted";
}

std::string refusal(const char* key, const char* json) {
  Value changed = document();
  changed.set(key, from_json(json, ""));
  return refusal(changed);
}

std::string without(const char* key) {
  Value changed = document();
  changed.erase(key);
  return refusal(changed);
}

std::string refusal_of_text(std::string_view text) {
  const Folder folder;
  try {
    (void)Tabular({.path = {folder.write("world.json", text)}});
  } catch (const Error& error) {
    return error.message();
  }
  return "accepted";
}

TEST(TabularRefusals, Gamma) {
  EXPECT_EQ(refusal("gamma", "-0.1"), "gamma = -0.1 is not in [0, 1)");
  EXPECT_EQ(refusal("gamma", "1.5"), "gamma = 1.5 is not in [0, 1)");
  EXPECT_EQ(refusal("gamma", "1"),
            "gamma = 1: an undiscounted return need not be finite | use a gamma below 1, such as "
            "0.999");
  EXPECT_EQ(refusal("gamma", "[0.5, 0.5]"), "gamma has the shape [2], not a single number");
  EXPECT_EQ(refusal("gamma", "\"high\""), "gamma is \"high\", not a number");
  EXPECT_EQ(refusal("gamma", "0"), "accepted");
}

TEST(TabularRefusals, Missing) {
  const char* const help =
      " | a tabular world has gamma, mu0, tau and rewards; offsets, successors and probabilities "
      "may "
      "stand for tau";
  EXPECT_EQ(without("gamma"), cat("there is no 'gamma'", help));
  EXPECT_EQ(without("mu0"), cat("there is no 'mu0'", help));
  EXPECT_EQ(without("tau"), cat("there is no 'tau'", help));
  const char* const rewards = "there are no rewards | \"rewards\": {\"name\": [S][A][S'], ...}";
  EXPECT_EQ(without("rewards"), rewards);
  EXPECT_EQ(refusal("rewards", "{}"), rewards);
}

TEST(TabularRefusals, NotStochastic) {
  EXPECT_EQ(refusal("tau", "[[[0.75, 0.25], [0.5, 0.4]], [[0.5, 0.5], [0.9, 0.1]]]"),
            "tau[0][1] sums to 0.9, not to 1 within 1e-09");
  EXPECT_EQ(refusal("tau", "[[[0.75, 0.25], [0.5, 0.5]], [[1.2, -0.2], [0.9, 0.1]]]"),
            "tau[1][0][1] = -0.2 is not a probability");
  EXPECT_EQ(refusal("tau", "[[[0.75, 0.25], [0.5, 0.50000001]], [[0.5, 0.5], [0.9, 0.1]]]"),
            "tau[0][1] sums to 1.00000001, not to 1 within 1e-09 | write the probabilities with "
            "all their digits");
  EXPECT_EQ(refusal("mu0", "[0.5, 0.25]"), "mu0 sums to 0.75, not to 1 within 1e-09");
  EXPECT_EQ(refusal("policy", "[[0, 0], [1, 0]]"), "policy[0] sums to 0, not to 1 within 1e-09");
  EXPECT_EQ(refusal("D_S", "[2, -1]"), "D_S[1] = -1 is not a probability");
  EXPECT_EQ(refusal("D_A", "[1, 1]"), "D_A sums to 2, not to 1 within 1e-09");
}

TEST(TabularRefusals, Terminal) {
  const char* const tau = "[[[0.75, 0.25], [0.2, 0.8]], [[0, 0], [0, 0]]]";
  EXPECT_EQ(refusal("tau", tau),
            "tau[1][0] sums to 0, not to 1 within 1e-09 | a state without successors must be "
            "declared: \"terminal\": [false, true, ...]");
  EXPECT_EQ(refusal("terminal", "[false, true]"),
            "tau[1][0][0] = 0.5, but state 1 is terminal | a terminal state's rows are all zero, "
            "or stay in the state");
  EXPECT_EQ(refusal("terminal", "[0, 0.5]"), "terminal[1] = 0.5 is neither true nor false");
  EXPECT_EQ(refusal("terminal", "[true]"), "terminal has the shape [1], not [S] = [2]");
}

TEST(TabularRefusals, Shapes) {
  EXPECT_EQ(refusal("tau", "[[0.5, 0.5], [0.5, 0.5]]"), "tau has the shape [2, 2], not [S, A, S]");
  EXPECT_EQ(refusal("tau", "[[[1]], [[1]]]"), "tau has the shape [2, 1, 1], not [S, A, S]");
  EXPECT_EQ(refusal("tau", "[]"), "tau has the shape [0], not [S, A, S]");
  EXPECT_EQ(refusal("tau", "[[[1, 0], [0]], [[1, 0], [0, 1]]]"),
            "tau[0][1] has 1 entry, and tau[0][0] has 2: one of them is wrong");
  EXPECT_EQ(refusal("tau", "[[[1, 0], 3], [[1, 0], [0, 1]]]"), "tau[0][1] is an int, not a list");
  EXPECT_EQ(refusal("mu0", "[0.5, 0.25, 0.25]"), "mu0 has the shape [3], not [S] = [2]");
  EXPECT_EQ(refusal("mu0", "1"), "mu0 is a single number, not [S] = [2]");
  EXPECT_EQ(refusal("policy", "[[1], [1]]"), "policy has the shape [2, 1], not [S, A] = [2, 2]");
  EXPECT_EQ(refusal("D_S", "[1]"), "D_S has the shape [1], not [S] = [2]");
  EXPECT_EQ(refusal("D_A", "[1, 0, 0]"), "D_A has the shape [3], not [A] = [2]");
  EXPECT_EQ(refusal("rewards", R"({"r": [[[1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]})"),
            "reward 'r' has the shape [2, 2, 3], not [S, A, S] = [2, 2, 2]");
}

TEST(TabularRefusals, NotNumbers) {
  EXPECT_EQ(refusal("rewards", R"({"r": [[[1, 0], [null, 0]], [[0, 0], [0, 0]]]})"),
            "reward 'r'[0][1][0] is null, not a number");
  EXPECT_EQ(refusal("mu0", "[true, false]"), "mu0[0] is true, not a number");
  EXPECT_EQ(refusal("rewards", "[1]"), "rewards is a list, not an object of {name: [S][A][S']}");
}

TEST(TabularRefusals, Keys) {
  EXPECT_EQ(refusal("polcy", "[1]"),
            "'polcy' is no part of a tabular world | did you mean 'policy'?");
  EXPECT_EQ(refusal("comment", "[1]"),
            "'comment' is no part of a tabular world | there are gamma, mu0, tau, rewards, policy, "
            "D_S, D_A, terminal; or offsets, successors and probabilities for tau");
  EXPECT_EQ(refusal("rewards", R"({"": [[[1, 0], [0, 0]], [[0, 0], [0, 0]]]})"),
            "a reward has the empty name");
}

TEST(TabularRefusals, Documents) {
  EXPECT_EQ(refusal_of_text(R"({"gamma": 0.9, "rewards": {"a": [[1]], "b": [[0, NaN]]}})"),
            "malformed JSON: NaN is not a finite number, in rewards.b");
  EXPECT_EQ(refusal_of_text(R"({"mu0": [-Infinity]})"),
            "malformed JSON: Infinity is not a finite number, in mu0");
  EXPECT_EQ(refusal_of_text(R"({"gamma": 1e999})"),
            "malformed JSON: number overflow parsing '1e999', in gamma");
  EXPECT_EQ(refusal_of_text("[1, 2]"), "a tabular world is a JSON object, and this is a list");
  EXPECT_NE(refusal_of_text("{\"gamma\": NaN}").find("malformed JSON"), std::string::npos);
  EXPECT_NE(refusal_of_text(R"({"rewards": {"a": [1], "a": [2]}})").find("the key 'a' twice"),
            std::string::npos);
}

TEST(TabularRefusals, Files) {
  const Folder folder;
  const auto message = [](const std::string& path) -> std::string {
    try {
      (void)Tabular({.path = {path}});
    } catch (const Error& error) {
      return error.message();
    }
    return "accepted";
  };
  EXPECT_EQ(message("world.csv"), "'world.csv' is no .json, .safetensors or .npz file");
  EXPECT_NE(message(folder.file("absent.json")), "accepted");
}

// What JSON cannot spell: non-finite numbers, dtypes.
class TensorRefusals : public ::testing::Test {
 protected:
  std::string refusal_with(const std::string& name, const at::Tensor& tensor) {
    NamedTensors tensors = {{"gamma", at::full({}, 0.5, at::kDouble)},
                            {"mu0", at::ones({1}, at::kDouble)},
                            {"tau", at::ones({1, 1, 1}, at::kDouble)},
                            {"rewards/r", at::ones({1, 1, 1}, at::kDouble)}};
    std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
    tensors.emplace_back(name, tensor);
    const std::string path = folder_.file("world.safetensors");
    write_safetensors(path, tensors);
    try {
      (void)Tabular({.path = {path}});
    } catch (const Error& error) {
      EXPECT_EQ(error.where(), path);
      return error.help().empty() ? error.message() : error.message() + " | " + error.help();
    }
    return "accepted";
  }

  Folder folder_;
};

TEST_F(TensorRefusals, NotFinite) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(refusal_with("rewards/r", at::full({1, 1, 1}, kNan, at::kDouble)),
            "reward 'r'[0][0][0] = nan is not a finite number");
  EXPECT_EQ(refusal_with("rewards/r", at::full({1, 1, 1}, -kInf, at::kDouble)),
            "reward 'r'[0][0][0] = -inf is not a finite number");
  EXPECT_EQ(refusal_with("tau", at::full({1, 1, 1}, kNan, at::kDouble)),
            "tau[0][0][0] = nan is not a finite number");
  EXPECT_EQ(refusal_with("gamma", at::full({}, kNan, at::kDouble)), "gamma = nan is not in [0, 1)");
}

TEST_F(TensorRefusals, NamesAndDtypes) {
  EXPECT_EQ(refusal_with("mu0", at::ones({1}, at::kHalf)),
            "mu0 has numbers of 16 bits, too coarse for probabilities | store it as float64 or "
            "float32; rewards may "
            "have any dtype");
  EXPECT_EQ(refusal_with("taus", at::ones({1}, at::kDouble)),
            "the tensor 'taus' is no part of a tabular world | did you mean 'tau'?");
  EXPECT_EQ(refusal_with("good", at::ones({1, 1, 1}, at::kDouble)),
            "the tensor 'good' is no part of a tabular world | a reward's tensor is named "
            "rewards/<name>");
  EXPECT_EQ(refusal_with("tau", at::ones({1, 1, 1}, at::kLong)), "accepted");
}

}  // namespace
}  // namespace saffron::plugins
