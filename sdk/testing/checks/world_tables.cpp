#include "testing/checks/world.h"
#include "testing/drivers/worlds.h"

#include <ATen/TensorOperators.h>

#include <cmath>
#include <set>

namespace saffron::testing {
namespace {

constexpr double kSum = 1e-9;        // of probabilities, from 1, in float64
constexpr double kSumSingle = 1e-5;  // where they have another dtype, which another check names

void shaped(const at::Tensor& tensor, const char* name, const std::vector<std::int64_t>& shape) {
  if (tensor.defined() && tensor.sizes() == at::IntArrayRef(shape)) return;
  fail(cat(name, " is ", describe(tensor), ", and its shape is ", at::IntArrayRef(shape)));
}

// Of the first dimension, which may be anything; 0 where there is none.
std::int64_t count(const at::Tensor& tensor) {
  return tensor.defined() && tensor.dim() > 0 ? tensor.size(0) : 0;
}

void check_shapes(const TabularWorld& world) {
  const Transitions& tau = world.transitions();
  const std::int64_t S = tau.states, A = tau.actions, R = count(world.rewards());
  if (S <= 0 || A <= 0) fail(cat("has ", S, " states and ", A, " actions"));
  if (tau.sparse()) {
    const std::int64_t nnz = count(tau.successors);
    shaped(tau.offsets, "offsets", {S * A + 1});
    shaped(tau.successors, "successors", {nnz});
    shaped(tau.probabilities, "probabilities", {nnz});
    shaped(world.rewards(), "rewards", {R, nnz});
  } else {
    shaped(tau.dense, "transitions", {S, A, S});
    shaped(world.rewards(), "rewards", {R, S, A, S});
  }
  shaped(world.mu0(), "mu0", {S});
  shaped(world.policy(), "policy", {S, A});
  shaped(world.state_distribution(), "state_distribution", {S});
  shaped(world.action_distribution(), "action_distribution", {A});
  shaped(world.terminal(), "terminal", {S});
}

void check_shapes(const SampledWorld& world) {
  const std::int64_t N = count(world.states());
  if (N == 0) fail(cat("states are ", describe(world.states()), ": there are no transitions"));
  shaped(world.next_states(), "next_states", world.states().sizes().vec());
  if (count(world.actions()) != N) {
    fail(cat("actions are ", describe(world.actions()), " for ", N, " states"));
  }
  shaped(world.terminal(), "terminal", {N});
  shaped(world.episodes(), "episodes", {N});
}

void check_shapes(const PreferenceWorld& world) {
  const std::int64_t N = count(world.prompts());
  shaped(world.prompts(), "prompts", {N});
  shaped(world.scores(), "scores", {count(world.scores()), N});
  if (world.labels().defined()) shaped(world.labels(), "labels", {N});
  if (world.log_reference().defined()) shaped(world.log_reference(), "log_reference", {N});
}

// Rows of probabilities, whatever they are held in.
class Rows {
 public:
  explicit Rows(const char* name) : name_(name) {}
  void add(const double* p, std::int64_t count, double tolerance, bool may_be_zero) {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      if (!(p[i] >= 0)) fail(cat(place(), " has ", p[i], ", which is no probability"));
      sum += p[i];
    }
    if (std::abs(sum - 1) > tolerance && !(sum == 0 && may_be_zero)) {
      fail(cat(place(), " sums to ", sum, ", not to 1"));
    }
    ++row_;
  }

 private:
  [[nodiscard]] std::string place() const { return cat("row ", row_, " of ", name_); }
  const char* name_;
  std::int64_t row_ = 0;
};

double tolerance_of(const at::Tensor& table) {
  return table.scalar_type() == at::kDouble ? kSum : kSumSingle;
}

template <class F>
void check_rows(const at::Tensor& table, const char* name, F may_be_zero) {
  if (!table.defined() || table.dim() == 0) fail(cat(name, " is ", describe(table)));
  const at::Tensor values = table.to(at::kDouble).contiguous();
  const std::int64_t width = values.size(-1);
  Rows rows(name);
  for (std::int64_t row = 0; width > 0 && row < values.numel() / width; ++row) {
    rows.add(values.const_data_ptr<double>() + row * width, width, tolerance_of(table),
             may_be_zero(row));
  }
}

void check_rows(const at::Tensor& table, const char* name) {
  check_rows(table, name, [](std::int64_t) { return false; });
}

// What is wrong with the CSR form; "" when nothing is.
std::string csr_fault(const Transitions& tau) {
  const std::int64_t rows = tau.states * tau.actions, entries = count(tau.successors);
  if (count(tau.offsets) != rows + 1)
    return cat(count(tau.offsets), " offsets for ", rows, " rows");
  const at::Tensor offsets = tau.offsets.to(at::kLong).contiguous();
  const at::Tensor successors = tau.successors.to(at::kLong).contiguous();
  const auto* at = offsets.const_data_ptr<std::int64_t>();
  const auto* next = successors.const_data_ptr<std::int64_t>();
  if (at[0] != 0 || at[rows] != entries || count(tau.probabilities) != entries) {
    return cat("offsets go from ", at[0], " to ", at[rows], " over ", entries, " successors and ",
               count(tau.probabilities), " probabilities");
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    if (at[row + 1] < at[row] || at[row + 1] > entries) {
      return cat("offset ", row + 1, " is ", at[row + 1], ", after ", at[row], " and of ", entries);
    }
    std::set<std::int64_t> seen;
    for (std::int64_t i = at[row]; i < at[row + 1]; ++i) {
      if (next[i] < 0 || next[i] >= tau.states) {
        return cat("successor ", i, " is state ", next[i], " of ", tau.states);
      }
      if (!seen.insert(next[i]).second) {
        return cat("row ", row, " has the successor ", next[i], " twice");
      }
    }
  }
  return {};
}

}  // namespace

Verdict table_shapes(const Subject& subject) {
  const auto world = made<World>(subject);
  if (const auto* tabular = capability<TabularWorld>(*world)) check_shapes(*tabular);
  if (const auto* sampled = capability<SampledWorld>(*world)) check_shapes(*sampled);
  if (const auto* preference = capability<PreferenceWorld>(*world)) check_shapes(*preference);
  return {};
}

// States, actions and labels may also be numbers of things, or pixels.
Verdict float64_throughout(const Subject& subject) {
  const std::set<std::string> numbers = {"offsets", "successors", "episodes", "prompts"};
  const std::set<std::string> either = {"states", "actions", "next_states", "labels"};
  for (const auto& [name, tensor] : read_all(*made<World>(subject)).tensors) {
    if (either.contains(name) && !tensor.is_floating_point()) continue;
    const at::ScalarType right = numbers.contains(name) ? at::kLong
                                 : name == "terminal"   ? at::kBool
                                                        : at::kDouble;
    if (tensor.scalar_type() == right) continue;
    fail(cat(name, " is ", c10::toString(tensor.scalar_type()), ", not ", c10::toString(right)));
  }
  return {};
}

Verdict csr_is_valid(const Subject& subject) {
  const auto world = made<World>(subject);
  const Transitions& tau = needed<TabularWorld>(*world, "tabular world").transitions();
  if (!tau.sparse()) skip("has dense transitions");
  const std::string fault = csr_fault(tau);
  if (!fault.empty()) fail(fault);
  return {};
}

// No successor follows a terminal state: its rows may be all zero.
Verdict transitions_are_distributions(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto& tabular = needed<TabularWorld>(*world, "tabular world");
  const Transitions& tau = tabular.transitions();
  const at::Tensor terminal = tabular.terminal().to(at::kBool).contiguous();
  const auto ends = [&](std::int64_t row) {
    const std::int64_t state = row / tau.actions;
    return state < terminal.numel() && terminal.const_data_ptr<bool>()[state];
  };
  if (!tau.sparse()) {
    check_rows(tau.dense, "transitions", ends);
    return {};
  }
  if (!csr_fault(tau).empty()) skip("its sparse transitions cannot be read: see csr-is-valid");
  const at::Tensor p = tau.probabilities.to(at::kDouble).contiguous();
  const at::Tensor offsets = tau.offsets.to(at::kLong).contiguous();
  const auto* at = offsets.const_data_ptr<std::int64_t>();
  Rows rows("transitions");
  for (std::int64_t row = 0; row < tau.states * tau.actions; ++row) {
    rows.add(p.const_data_ptr<double>() + at[row], at[row + 1] - at[row],
             tolerance_of(tau.probabilities), ends(row));
  }
  return {};
}

Verdict distributions_sum_to_one(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto& tabular = needed<TabularWorld>(*world, "tabular world");
  check_rows(tabular.mu0(), "mu0");
  check_rows(tabular.policy(), "policy");
  check_rows(tabular.state_distribution(), "state_distribution");
  check_rows(tabular.action_distribution(), "action_distribution");
  return {};
}

Verdict rewards_are_finite(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto check = [](const at::Tensor& table) {
    for (std::int64_t i = 0; i < count(table); ++i) {
      if (!all_finite(table[i])) fail(cat("reward ", i, " has a NaN or an infinity"));
    }
  };
  const auto* sampled = capability<SampledWorld>(*world);
  if (const auto* tabular = capability<TabularWorld>(*world)) check(tabular->rewards());
  if (const auto* preference = capability<PreferenceWorld>(*world)) check(preference->scores());
  for (std::size_t i = 0; sampled != nullptr && i < world->info().rewards.size(); ++i) {
    if (!all_finite(sampled->evaluate(static_cast<std::int64_t>(i), sampled->states().clone(),
                                      sampled->actions().clone(),
                                      sampled->next_states().clone()))) {
      fail(cat("reward ", i, " is not finite on the world's own transitions"));
    }
  }
  return {};
}

}  // namespace saffron::testing
