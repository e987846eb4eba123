#include "src/worlds/table_transitions.h"

#include <ATen/ops/full.h>

#include <array>

namespace saffron::inline sdk_v1 {
namespace {

using worlds::TableChecks;

// Where each of names() is.
constexpr std::array kTables = {&MdpTables::gamma,
                                &MdpTables::mu0,
                                &MdpTables::tau,
                                &MdpTables::offsets,
                                &MdpTables::successors,
                                &MdpTables::probabilities,
                                &MdpTables::policy,
                                &MdpTables::state_distribution,
                                &MdpTables::action_distribution,
                                &MdpTables::terminal};

void check_present(const MdpTables& tables, const TableChecks& check) {
  const char* const help =
      "a tabular world has gamma, mu0, tau and rewards; offsets, successors and probabilities may "
      "stand for tau";
  const auto need = [&](const at::Tensor& table, const char* name) {
    if (!table.defined()) check.fail(cat("there is no '", name, "'"), help);
  };
  need(tables.gamma, "gamma");
  need(tables.mu0, "mu0");
  const bool sparse =
      tables.offsets.defined() || tables.successors.defined() || tables.probabilities.defined();
  if (!sparse) return need(tables.tau, "tau");
  if (tables.tau.defined()) {
    check.fail("there are both 'tau' and offsets, successors or probabilities",
               "give the transitions dense or sparse");
  }
  need(tables.offsets, "offsets");
  need(tables.successors, "successors");
  need(tables.probabilities, "probabilities");
}

double checked_gamma(const at::Tensor& table, const TableChecks& check) {
  if (table.numel() != 1) {
    check.fail(cat("gamma ", worlds::has_shape(table.sizes()), ", not a single number"));
  }
  const auto gamma = table.to(at::kDouble).item<double>();
  if (gamma == 1) {
    check.fail("gamma = 1: an undiscounted return need not be finite",
               "use a gamma below 1, such as 0.999");
  }
  if (!(gamma >= 0 && gamma < 1)) {
    check.fail(cat("gamma = ", worlds::number(gamma), " is not in [0, 1)"));
  }
  return gamma;
}

// Uniform where it is not given.
at::Tensor distribution(const at::Tensor& table, const char* name, at::IntArrayRef shape,
                        const char* letters, const TableChecks& check) {
  if (!table.defined()) {
    return at::full(shape, 1.0 / static_cast<double>(shape.back()), at::kDouble);
  }
  check.shaped(table, name, shape, letters);
  return check.distribution(table, name);
}

}  // namespace

at::Tensor* MdpTables::find(std::string_view name) {
  for (std::size_t i = 0; i < kTables.size(); ++i) {
    if (names()[i] == name) return &(this->*kTables[i]);
  }
  return nullptr;
}

const std::vector<std::string>& MdpTables::names() {
  static const std::vector<std::string> kNames = {
      "gamma",         "mu0",    "tau", "offsets", "successors",
      "probabilities", "policy", "D_S", "D_A",     "terminal"};
  static_assert(kTables.size() == 10);
  return kNames;
}

TableWorld::TableWorld(MdpTables tables, const std::string& source, std::string_view what) {
  const TableChecks check(source);
  check_present(tables, check);
  gamma_ = checked_gamma(tables.gamma, check);
  worlds::Dynamics dynamics = tables.tau.defined() ? worlds::dense_dynamics(tables, check)
                                                   : worlds::sparse_dynamics(tables, check);
  transitions_ = std::move(dynamics.tau);
  terminal_ = std::move(dynamics.terminal);
  rewards_ = std::move(dynamics.rewards);
  const std::int64_t S = transitions_.states, A = transitions_.actions;
  mu0_ = distribution(tables.mu0, "mu0", {S}, "[S]", check);
  policy_ = distribution(tables.policy, "policy", {S, A}, "[S, A]", check);
  state_distribution_ = distribution(tables.state_distribution, "D_S", {S}, "[S]", check);
  action_distribution_ = distribution(tables.action_distribution, "D_A", {A}, "[A]", check);
  what_ = what;
  describe();
  for (auto& [name, values] : tables.rewards) info_.rewards.push_back(std::move(name));
}

TableWorld::~TableWorld() = default;

void TableWorld::describe() {
  const std::int64_t S = transitions_.states, A = transitions_.actions;
  info_.description = cat(what_, ", ", S, S == 1 ? " state, " : " states, ", A,
                          A == 1 ? " action, gamma " : " actions, gamma ", gamma_,
                          transitions_.sparse() ? ", sparse" : "");
}

}  // namespace saffron::inline sdk_v1
