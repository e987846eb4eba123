#include "src/worlds/table_transitions.h"

#include <saffron/archives.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdint>
#include <set>

namespace saffron::inline sdk_v1::worlds {
namespace {

constexpr const char* kStays = "a terminal state's rows are all zero, or stay in the state";

// The shape of a CSR matrix over (s, a) with S states: its number of actions.
std::int64_t actions_of(const at::Tensor& offsets, std::int64_t states, const TableChecks& check) {
  const std::int64_t rows = offsets.dim() == 1 ? offsets.size(0) - 1 : 0;
  if (rows <= 0 || rows % states != 0) {
    check.fail(cat("offsets ", has_shape(offsets.sizes()), ", not [S A + 1], with S = ", states),
               "row s * A + a holds the successors of state s under action a");
  }
  return rows / states;
}

void check_offsets(const at::Tensor& offsets, std::int64_t entries, const TableChecks& check) {
  const auto* at = offsets.const_data_ptr<std::int64_t>();
  const std::int64_t rows = offsets.size(0) - 1;
  if (at[0] != 0) check.fail(cat("offsets[0] = ", at[0], " is not 0"));
  for (std::int64_t row = 0; row < rows; ++row) {
    if (at[row + 1] >= at[row]) continue;
    check.fail(
        cat("offsets[", row + 1, "] = ", at[row + 1], " is below offsets[", row, "] = ", at[row]));
  }
  if (at[rows] != entries) {
    check.fail(
        cat("offsets[", rows, "] = ", at[rows], " is not the number of successors, ", entries));
  }
}

// The CSR rows of a world, one after another: what is wrong with one is said of its state and action.
class SparseRows {
 public:
  SparseRows(const MdpTables& tables, std::int64_t states, const TableChecks& check)
      : check_(check),
        S_(states),
        offsets_(check.indices(tables.offsets, "offsets")),
        successors_(check.indices(tables.successors, "successors")),
        p_(check.probabilities(tables.probabilities, "probabilities")),
        terminal_(checked_terminal(tables, states, check)),
        row_of_(static_cast<std::size_t>(states), -1) {
    A_ = actions_of(offsets_, S_, check);
    if (successors_.dim() != 1) {
      check.fail(cat("successors ", has_shape(successors_.sizes()), ", not [nnz]"));
    }
    check.shaped(p_.values, "probabilities", successors_.sizes(), "[nnz]");
    check_offsets(offsets_, successors_.size(0), check);
    for (std::int64_t row = 0; row < S_ * A_; ++row) take(row);
  }

  [[nodiscard]] Dynamics dynamics(const MdpTables& tables) const {
    Dynamics out;
    out.terminal = terminal_;
    out.tau.states = S_;
    out.tau.actions = A_;
    const auto count = static_cast<std::int64_t>(kept_.size());
    at::Tensor kept = at::empty({count}, at::kLong);
    std::copy(kept_.begin(), kept_.end(), kept.mutable_data_ptr<std::int64_t>());
    out.tau.offsets = at::empty({S_ * A_ + 1}, at::kLong);
    std::copy(ends_.begin(), ends_.end(), out.tau.offsets.mutable_data_ptr<std::int64_t>());
    out.tau.successors = successors_.index_select(0, kept);
    out.tau.probabilities = p_.values.index_select(0, kept);
    out.rewards = at::stack(checked_rewards(tables, successors_.sizes(), "[nnz]", check_));
    if (count != successors_.size(0)) out.rewards = out.rewards.index_select(1, kept);
    return out;
  }

 private:
  void take(std::int64_t row) {
    const auto* at = offsets_.const_data_ptr<std::int64_t>();
    const auto* next = successors_.const_data_ptr<std::int64_t>();
    auto* p = p_.values.mutable_data_ptr<double>();
    const std::int64_t s = row / A_, begin = at[row], end = at[row + 1];
    const auto name = [&] { return cat("state ", s, ", action ", row % A_); };
    const bool ends = terminal_.const_data_ptr<bool>()[s];
    for (std::int64_t i = begin; i < end; ++i) {
      if (next[i] < 0 || next[i] >= S_) {
        check_.fail(cat("successors[", i, "] = ", next[i], " is no state of ", S_));
      }
      if (row_of_[static_cast<std::size_t>(next[i])] == row) {
        check_.fail(cat(name(), ": successor ", next[i], " comes twice"),
                    "give it once, with the sum of its probabilities");
      }
      row_of_[static_cast<std::size_t>(next[i])] = row;
      if (ends && p[i] != 0 && next[i] != s) {
        check_.fail(cat(name(), ": successor ", next[i], " has probability ", number(p[i]),
                        ", but state ", s, " is terminal"),
                    kStays);
      }
    }
    const bool zero = ends && std::all_of(p + begin, p + end, [](double x) { return x == 0; });
    if (!zero) check_.divide_by_sum(p, begin, end, p_.tolerance, name, kUndeclared);
    if (!ends) {
      for (std::int64_t i = begin; i < end; ++i) {
        if (p[i] > 0) kept_.push_back(i);
      }
    }
    ends_.push_back(static_cast<std::int64_t>(kept_.size()));
  }

  const TableChecks& check_;
  std::int64_t S_, A_ = 0;
  at::Tensor offsets_, successors_;
  TableChecks::Probabilities p_;
  at::Tensor terminal_;
  std::vector<std::int64_t> row_of_;  // the last row that has had a state as a successor
  std::vector<std::int64_t> kept_;    // entries
  std::vector<std::int64_t> ends_ = {0};
};

void check_dense_row(double* p, std::int64_t row, const at::Tensor& tau, bool ends,
                     double tolerance, const TableChecks& check) {
  const std::int64_t S = tau.size(0), A = tau.size(1), begin = row * S, end = begin + S;
  const auto name = [&] { return cat("tau[", row / A, "][", row % A, "]"); };
  const bool zero = ends && std::all_of(p + begin, p + end, [](double x) { return x == 0; });
  if (!zero) check.divide_by_sum(p, begin, end, tolerance, name, kUndeclared);
  for (std::int64_t i = begin; ends && i < end; ++i) {
    if (p[i] != 0 && i % S != row / A) {
      check.fail(cat(element_name("tau", tau, i), " = ", number(p[i]), ", but state ", row / A,
                     " is terminal"),
                 kStays);
    }
    p[i] = 0;
  }
}

}  // namespace

at::Tensor checked_terminal(const MdpTables& tables, std::int64_t states,
                            const TableChecks& check) {
  if (!tables.terminal.defined()) return at::zeros({states}, at::kBool);
  const at::Tensor values = tables.terminal.to(at::kDouble).contiguous();
  check.shaped(values, "terminal", {states}, "[S]");
  const double* p = values.const_data_ptr<double>();
  for (std::int64_t s = 0; s < states; ++s) {
    if (p[s] == 0 || p[s] == 1) continue;
    check.fail(cat("terminal[", s, "] = ", number(p[s]), " is neither true nor false"));
  }
  return values != 0;
}

std::vector<at::Tensor> checked_rewards(const MdpTables& tables, at::IntArrayRef shape,
                                        const char* letters, const TableChecks& check) {
  if (tables.rewards.empty()) {
    check.fail("there are no rewards", "\"rewards\": {\"name\": [S][A][S'], ...}");
  }
  std::vector<at::Tensor> out;
  std::set<std::string> seen;
  for (const auto& [name, values] : tables.rewards) {
    const std::string what = "reward '" + name + "'";
    if (name.empty()) check.fail("a reward has the empty name");
    if (!seen.insert(name).second) check.fail(cat("two rewards are named '", name, "'"));
    check.shaped(values, what, shape, letters);
    out.push_back(values.to(at::kDouble).contiguous());
    check.finite(out.back(), what);
  }
  return out;
}

Dynamics dense_dynamics(const MdpTables& tables, const TableChecks& check) {
  if (tables.tau.dim() != 3 || tables.tau.size(0) != tables.tau.size(2) ||
      tables.tau.numel() == 0) {
    check.fail(cat("tau ", has_shape(tables.tau.sizes()), ", not [S, A, S]"));
  }
  Dynamics out;
  out.tau.states = tables.tau.size(0);
  out.tau.actions = tables.tau.size(1);
  out.terminal = checked_terminal(tables, out.tau.states, check);
  const TableChecks::Probabilities p = check.probabilities(tables.tau, "tau");
  out.tau.dense = p.values;
  for (std::int64_t row = 0; row < out.tau.states * out.tau.actions; ++row) {
    const bool ends = out.terminal.const_data_ptr<bool>()[row / out.tau.actions];
    check_dense_row(out.tau.dense.mutable_data_ptr<double>(), row, out.tau.dense, ends, p.tolerance,
                    check);
  }
  out.rewards = at::stack(checked_rewards(tables, out.tau.dense.sizes(), "[S, A, S]", check));
  return out;
}

Dynamics sparse_dynamics(const MdpTables& tables, const TableChecks& check) {
  if (tables.mu0.dim() != 1 || tables.mu0.numel() == 0) {
    check.fail(cat("mu0 ", has_shape(tables.mu0.sizes()), ", not [S]"));
  }
  return SparseRows(tables, tables.mu0.size(0), check).dynamics(tables);
}

}  // namespace saffron::inline sdk_v1::worlds
