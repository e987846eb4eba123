#pragma once

#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What worlds of finite MDPs are made of, wherever their tables come from.

namespace saffron::inline sdk_v1 {

// A finite MDP and its rewards as somebody gave them: numbers of any dtype, nothing checked. What is
// optional may be undefined.
//
// Transitions are tau [S, A, S'], or, over their support only, row s * A + a of a CSR matrix being the
// successors of (s, a). Rewards are [S, A, S'] beside tau and [nnz] beside the latter.
struct SAFFRON_EXPORT MdpTables {
  at::Tensor gamma;                               // one number, in [0, 1)
  at::Tensor mu0;                                 // [S]
  at::Tensor tau;                                 // [S, A, S']
  at::Tensor offsets, successors, probabilities;  // [S A + 1], [nnz], [nnz]
  at::Tensor policy;                              // [S, A], optional
  at::Tensor state_distribution;                  // D_S [S], optional
  at::Tensor action_distribution;                 // D_A [A], optional
  at::Tensor terminal;                            // [S], 0 and 1, optional
  std::vector<std::pair<std::string, at::Tensor>> rewards;

  // By the names of files: "D_S" for state_distribution, otherwise as the members. nullptr for another;
  // rewards are not among them.
  [[nodiscard]] at::Tensor* find(std::string_view name);
  [[nodiscard]] static const std::vector<std::string>& names();
};

// Holds such tables, checked and completed, in float64:
//   - probabilities are at least 0 and sum to 1 within 1e-9 (1e-6 where they came as float32), and are
//     then divided by their sum; coarser dtypes are refused
//   - policy, D_S and D_A are uniform where they are not given
//   - an episode ends on entering a terminal state, whose rows of tau may be given as zeros or as staying,
//     and become 0; no other row may be all zero
//   - of CSR rows, entries of probability 0 and of terminal states are left out, rewards with them
// Error (data) with `source`, the place, the value and what it should be. Linear in the tables' size.
class SAFFRON_EXPORT TableWorld : public World, public TabularWorld {
 public:
  // `what` begins the description: "tabular MDP" becomes "tabular MDP, 32 states, 4 actions, ...".
  TableWorld(MdpTables tables, const std::string& source, std::string_view what);
  ~TableWorld() override;

  [[nodiscard]] const WorldInfo& info() const override { return info_; }
  [[nodiscard]] double gamma() const override { return gamma_; }
  [[nodiscard]] const at::Tensor& mu0() const override { return mu0_; }
  [[nodiscard]] const Transitions& transitions() const override { return transitions_; }
  [[nodiscard]] const at::Tensor& rewards() const override { return rewards_; }
  [[nodiscard]] const at::Tensor& policy() const override { return policy_; }
  [[nodiscard]] const at::Tensor& state_distribution() const override {
    return state_distribution_;
  }
  [[nodiscard]] const at::Tensor& action_distribution() const override {
    return action_distribution_;
  }
  [[nodiscard]] const at::Tensor& terminal() const override { return terminal_; }

 protected:
  // Leaves out the states that no policy reaches from mu0, which numbers the others anew, in their order;
  // D_S is divided by what is left of it. Error (data) where that is nothing.
  void keep_reachable();

 private:
  void describe();

  std::string what_;
  WorldInfo info_;
  double gamma_ = 0;
  Transitions transitions_;
  at::Tensor mu0_, rewards_, policy_, state_distribution_, action_distribution_, terminal_;
};

}  // namespace saffron::inline sdk_v1
