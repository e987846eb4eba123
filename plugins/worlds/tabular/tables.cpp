#include "tables.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <charconv>
#include <cmath>
#include <cstdint>

namespace saffron::plugins {
namespace {

std::string number(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

std::string dims(at::IntArrayRef shape) {
  if (shape.empty()) return "a single number";
  std::string out;
  for (const std::int64_t n : shape) out += (out.empty() ? "" : " x ") + std::to_string(n);
  return out;
}

class Checker {
 public:
  explicit Checker(std::string source) : source_(std::move(source)) {}

  [[noreturn]] void fail(std::string message, std::string_view help = {}) const {
    throw Error(ErrorKind::data, std::move(message)).within(source_).with_help(help);
  }

  void present(const Tables::Table& table, const char* name) const {
    if (table.values.defined()) return;
    fail(cat("there is no '", name, "'"), "a tabular world has gamma, mu0, tau and rewards");
  }

  void shaped(const at::Tensor& values, const std::string& name, at::IntArrayRef shape,
              const char* letters) const {
    if (values.sizes() == shape) return;
    fail(cat(name, " is ", dims(values.sizes()), ", not ", letters, " = ", dims(shape)));
  }

  // "tau[0][1][2] = -0.2", of a flat position.
  static std::string place(const std::string& name, const at::Tensor& values, std::int64_t at) {
    std::string indices;
    for (std::int64_t d = values.dim(); d-- > 0; at /= values.size(d)) {
      indices = cat("[", at % values.size(d), "]") + indices;
    }
    return name + indices;
  }

  void finite(const at::Tensor& values, const std::string& name) const {
    const double* p = values.const_data_ptr<double>();
    for (std::int64_t i = 0; i < values.numel(); ++i) {
      if (std::isfinite(p[i])) continue;
      fail(cat(place(name, values, i), " = ", number(p[i]), " is not a finite number"));
    }
  }

  // Rows of probabilities, each divided by its sum. `may_be_zero(row)`: whether an all-zero row has
  // a meaning; `help` for one that has not.
  template <class F>
  void distribution(Tables::Table& table, const std::string& name, F may_be_zero,
                    std::string_view help = {}) const {
    table.values = table.values.clone();
    finite(table.values, name);
    double* p = table.values.mutable_data_ptr<double>();
    const std::int64_t width = table.values.size(-1), rows = table.values.numel() / width;
    for (std::int64_t r = 0; r < rows; ++r) {
      double sum = 0;
      for (std::int64_t i = r * width; i < (r + 1) * width; ++i) {
        if (p[i] < 0) {
          fail(cat(place(name, table.values, i), " = ", number(p[i]), " is not a probability"));
        }
        sum += p[i];
      }
      if (sum == 0 && may_be_zero(r)) continue;
      if (std::abs(sum - 1) > table.tolerance) {
        std::string row = place(name, table.values, r * width);
        row.resize(row.rfind('['));
        fail(cat(row, " sums to ", number(sum), ", not to 1 within ", number(table.tolerance)),
             sum == 0 ? help : std::string_view());
      }
      for (std::int64_t i = r * width; i < (r + 1) * width; ++i) p[i] /= sum;
    }
  }

  void distribution(Tables::Table& table, const std::string& name) const {
    distribution(table, name, [](std::int64_t) { return false; });
  }

 private:
  std::string source_;
};

void uniform_if_missing(Tables::Table& table, at::IntArrayRef shape) {
  if (table.values.defined()) return;
  table.values = at::full(shape, 1.0 / static_cast<double>(shape.back()), at::kDouble);
}

double checked_gamma(const Tables::Table& table, const Checker& check) {
  if (table.values.numel() != 1) {
    check.fail(cat("gamma is ", dims(table.values.sizes()), ", not a single number"));
  }
  const double gamma = table.values.item<double>();
  if (gamma == 1) {
    check.fail("gamma = 1: an undiscounted return need not be finite",
               "use a gamma below 1, such as 0.999");
  }
  if (!(gamma >= 0 && gamma < 1)) check.fail(cat("gamma = ", number(gamma), " is not in [0, 1)"));
  return gamma;
}

at::Tensor checked_terminal(const Tables::Table& table, std::int64_t states, const Checker& check) {
  if (!table.values.defined()) return at::zeros({states}, at::kBool);
  check.shaped(table.values, "terminal", {states}, "S");
  const double* p = table.values.const_data_ptr<double>();
  for (std::int64_t s = 0; s < states; ++s) {
    if (p[s] == 0 || p[s] == 1) continue;
    check.fail(cat("terminal[", s, "] = ", number(p[s]), " is neither true nor false"));
  }
  return table.values != 0;
}

// An episode ends on entering a terminal state: its rows of tau become 0. A file may give them as 0
// or as the customary loop.
void end_episodes(at::Tensor tau, const at::Tensor& terminal, const Checker& check) {
  const bool* ends = terminal.const_data_ptr<bool>();
  double* p = tau.mutable_data_ptr<double>();
  const std::int64_t S = tau.size(0), A = tau.size(1);
  for (std::int64_t s = 0; s < S; ++s) {
    if (!ends[s]) continue;
    for (std::int64_t i = s * A * S; i < (s + 1) * A * S; ++i) {
      if (p[i] != 0 && i % S != s) {
        check.fail(cat(Checker::place("tau", tau, i), " = ", number(p[i]), ", but state ", s,
                       " is terminal"),
                   "a terminal state's rows are all zero, or stay in the state");
      }
      p[i] = 0;
    }
  }
}

void check_transitions(Tables& tables, const Checker& check, at::Tensor& terminal) {
  const at::Tensor& tau = tables.tau.values;
  if (tau.dim() != 3 || tau.size(0) != tau.size(2) || tau.numel() == 0) {
    check.fail(cat("tau is ", dims(tau.sizes()), ", not S x A x S"));
  }
  const std::int64_t A = tau.size(1);
  terminal = checked_terminal(tables.terminal, tau.size(0), check);
  const bool* ends = terminal.const_data_ptr<bool>();
  check.distribution(
      tables.tau, "tau", [&](std::int64_t row) { return ends[row / A]; },
      "a state without successors must be declared: \"terminal\": [false, true, ...]");
  end_episodes(tables.tau.values, terminal, check);
}

void check_rewards(const Tables& tables, const Checker& check) {
  if (tables.rewards.empty()) {
    check.fail("there are no rewards", "\"rewards\": {\"name\": [S][A][S'], ...}");
  }
  for (const auto& [name, values] : tables.rewards) {
    const std::string place = "reward '" + name + "'";
    if (name.empty()) check.fail("a reward has the empty name");
    check.shaped(values, place, tables.tau.values.sizes(), "S x A x S");
    check.finite(values, place);
  }
}

}  // namespace

Tables::Table* Tables::find(std::string_view name) {
  Table* const tables[] = {&gamma, &mu0, &tau, &policy, &D_S, &D_A, &terminal};
  for (std::size_t i = 0; i < names().size(); ++i) {
    if (names()[i] == name) return tables[i];
  }
  return nullptr;
}

const std::vector<std::string>& Tables::names() {
  static const std::vector<std::string> kNames = {"gamma", "mu0", "tau",     "policy",
                                                  "D_S",   "D_A", "terminal"};
  return kNames;
}

TabularData check_tables(Tables tables, const std::string& source) {
  const Checker check(source);
  check.present(tables.gamma, "gamma");
  check.present(tables.mu0, "mu0");
  check.present(tables.tau, "tau");
  TabularData out;
  out.gamma = checked_gamma(tables.gamma, check);
  check_transitions(tables, check, out.terminal);
  const std::int64_t S = tables.tau.values.size(0), A = tables.tau.values.size(1);
  uniform_if_missing(tables.policy, {S, A});
  uniform_if_missing(tables.D_S, {S});
  uniform_if_missing(tables.D_A, {A});
  check.shaped(tables.mu0.values, "mu0", {S}, "S");
  check.shaped(tables.policy.values, "policy", {S, A}, "S x A");
  check.shaped(tables.D_S.values, "D_S", {S}, "S");
  check.shaped(tables.D_A.values, "D_A", {A}, "A");
  check.distribution(tables.mu0, "mu0");
  check.distribution(tables.policy, "policy");
  check.distribution(tables.D_S, "D_S");
  check.distribution(tables.D_A, "D_A");
  check_rewards(tables, check);

  out.mu0 = tables.mu0.values;
  out.tau = tables.tau.values;
  out.policy = tables.policy.values;
  out.D_S = tables.D_S.values;
  out.D_A = tables.D_A.values;
  std::vector<at::Tensor> cubes;
  for (auto& [name, values] : tables.rewards) {
    out.names.push_back(name);
    cubes.push_back(values);
  }
  out.rewards = at::stack(cubes);
  return out;
}

}  // namespace saffron::plugins
