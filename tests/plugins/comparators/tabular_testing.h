#pragma once

#include "tests/places.h"

#include <saffron/comparator.h>
#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/value.h>
#include <saffron/world.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

// What the tests of tabular comparators share: worlds held in memory, golden vectors, random MDPs.

namespace saffron::testing {

inline void flatten(const Value& value, std::vector<double>& out) {
  if (!value.is_list()) return out.push_back(value.as_real());
  for (const Value& item : value.as_list()) flatten(item, out);
}

// Nested lists of numbers, all of one shape.
inline at::Tensor tensor(const Value& value) {
  std::vector<std::int64_t> shape;
  for (const Value* at = &value; at->is_list(); at = &at->as_list().front()) {
    shape.push_back(static_cast<std::int64_t>(at->as_list().size()));
  }
  std::vector<double> flat;
  flatten(value, flat);
  at::Tensor out = at::empty(shape, at::kDouble);
  std::copy(flat.begin(), flat.end(), out.mutable_data_ptr<double>());
  return out;
}

inline at::Tensor uniform(at::IntArrayRef shape) {
  return at::full(shape, 1.0 / static_cast<double>(shape.back()), at::kDouble);
}

struct MemoryWorld final : World, TabularWorld {
  MemoryWorld(at::Tensor tau, at::Tensor start, double discount,
              std::vector<std::pair<std::string, at::Tensor>> named)
      : gamma_(discount), mu0_(std::move(start)) {
    const std::int64_t S = tau.size(0), A = tau.size(1);
    transitions_.states = S;
    transitions_.actions = A;
    transitions_.dense = std::move(tau);
    policy_ = uniform({S, A});
    D_S = uniform({S});
    D_A = uniform({A});
    terminal_ = at::zeros({S}, at::kBool);
    std::vector<at::Tensor> cubes;
    for (auto& [name, values] : named) {
      info_.rewards.push_back(name);
      cubes.push_back(values);
    }
    rewards_ = at::stack(cubes);
    info_.description = "a test's world";
  }

  // An interface does not copy; what it holds does.
  MemoryWorld(const MemoryWorld& other)
      : World(),
        TabularWorld(other),
        info_(other.info_),
        gamma_(other.gamma_),
        mu0_(other.mu0_),
        rewards_(other.rewards_),
        policy_(other.policy_),
        D_S(other.D_S),
        D_A(other.D_A),
        terminal_(other.terminal_),
        transitions_(other.transitions_) {}

  const WorldInfo& info() const override { return info_; }
  double gamma() const override { return gamma_; }
  const at::Tensor& mu0() const override { return mu0_; }
  const Transitions& transitions() const override { return transitions_; }
  const at::Tensor& rewards() const override { return rewards_; }
  const at::Tensor& policy() const override { return policy_; }
  const at::Tensor& state_distribution() const override { return D_S; }
  const at::Tensor& action_distribution() const override { return D_A; }
  const at::Tensor& terminal() const override { return terminal_; }

  WorldInfo info_;
  double gamma_;
  at::Tensor mu0_, rewards_, policy_, D_S, D_A, terminal_;
  Transitions transitions_;
};

// The vectors of tests/golden/reward_golden.json, made in exact arithmetic.
inline const Value& golden() {
  static const Value* const document = [] {
    const std::string path = std::string(kSourceDir) + "/tests/golden/reward_golden.json";
    return new Value(from_json(read_text(path), path));
  }();
  return *document;
}

inline std::vector<const Value*> golden_pairs() {
  std::vector<const Value*> out;
  for (const Value& vector : golden().at("vectors").as_list()) {
    if (vector.at("kind").as_string() == "tabular_pair") out.push_back(&vector);
  }
  return out;
}

inline const Value& golden_vector(std::string_view id) {
  for (const Value& vector : golden().at("vectors").as_list()) {
    if (vector.at("id").as_string().starts_with(id)) return vector;
  }
  throw Error(cat("there is no golden vector ", id));
}

inline MemoryWorld golden_world(const Value& vector) {
  return MemoryWorld(tensor(vector.at("tau")), tensor(vector.at("mu0")),
                     vector.at("gamma").as_real(),
                     {{"R1", tensor(vector.at("R1"))}, {"R2", tensor(vector.at("R2"))}});
}

inline const PairMatrix& metric(const Comparison& comparison, std::string_view key) {
  for (const PairMatrix& matrix : comparison.metrics) {
    if (matrix.key == key) return matrix;
  }
  throw Error(cat("there is no metric ", key));
}

inline const Certificate& certificate(const Comparison& comparison, std::string_view key) {
  for (const Certificate& c : comparison.certificates) {
    if (c.metric == key) return c;
  }
  throw Error(cat("there is no certificate of ", key));
}

inline double between(const PairMatrix& matrix, std::int64_t a, std::int64_t b) {
  return matrix.values[a][b].item<double>();
}

// Compares every "n-m" distance of a golden table with the comparison's, and returns how many.
inline int expect_distances(const Comparison& comparison, const std::string& name,
                            const Value& expected, const std::string& id) {
  int count = 0;
  for (const Value::Entry& entry : expected.as_table()) {
    std::string key = entry.key;
    const double value = entry.value.as_real();
    const double tolerance = 1e-10 * std::max(1.0, std::abs(value));
    const PairMatrix& matrix = metric(comparison, name + "/" + key);
    EXPECT_NEAR(between(matrix, 0, 1), value, tolerance) << id << " " << matrix.key;
    EXPECT_NEAR(between(matrix, 1, 0), value, tolerance) << id << " " << matrix.key;
    ++count;
  }
  return count;
}

inline double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

// Of every metric of a comparison: d >= 0, d(a, a) = 0, symmetric, d(a, c) <= d(a, b) + d(b, c).
inline void expect_pseudometrics(const Comparison& comparison) {
  for (const PairMatrix& matrix : comparison.metrics) {
    const at::Tensor& d = matrix.values;
    EXPECT_TRUE((d >= 0).all().item<bool>()) << matrix.key;
    EXPECT_EQ(largest(d - d.t()), 0) << matrix.key;
    EXPECT_EQ(largest(d.diagonal()), 0) << matrix.key;
    const at::Tensor detour = d.unsqueeze(2) + d.unsqueeze(0);  // [a, b, c]
    EXPECT_TRUE((d.unsqueeze(1) <= detour * (1 + 1e-12) + 1e-12).all().item<bool>()) << matrix.key;
  }
}

// A random world: about a third of the transitions impossible, every state reachable from mu0.
class RandomWorlds {
 public:
  explicit RandomWorlds(std::uint64_t seed) : engine_(seed) {}

  at::Tensor normal(at::IntArrayRef shape) {
    std::normal_distribution<double> draw;
    at::Tensor out = at::empty(shape, at::kDouble);
    double* p = out.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < out.numel(); ++i) p[i] = draw(engine_);
    return out;
  }

  // Positive numbers whose rows sum to 1.
  at::Tensor probabilities(at::IntArrayRef shape) {
    const at::Tensor x = normal(shape).exp();
    return x / x.sum(-1, true);
  }

  at::Tensor transitions(std::int64_t S, std::int64_t A) {
    at::Tensor tau = normal({S, A, S}).exp() * (normal({S, A, S}) > -0.4);
    tau.select(2, 0).add_(0.1);
    return tau / tau.sum(-1, true);
  }

  // A reward whose expectation over successors is 0, and which is anything where tau is 0.
  at::Tensor redistribution(const at::Tensor& tau) {
    const at::Tensor x = normal(tau.sizes()) * 3;
    return x - (tau * x).sum(-1, true);
  }

  // gamma phi(s') - phi(s)
  at::Tensor shaping(const at::Tensor& tau, double gamma) {
    const at::Tensor phi = normal({tau.size(0)}) * 5;
    const at::Tensor change = gamma * phi.unsqueeze(0) - phi.unsqueeze(1);  // [s, s']
    return change.unsqueeze(1).expand(tau.sizes());
  }

  double discount() { return std::uniform_real_distribution<double>(0.0, 0.99)(engine_); }
  std::int64_t size() { return std::uniform_int_distribution<std::int64_t>(2, 6)(engine_); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace saffron::testing
