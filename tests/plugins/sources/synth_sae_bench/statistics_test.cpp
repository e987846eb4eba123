#include "plugins/sources/synth_sae_bench/normal_table.h"
#include "support.h"

#include <gtest/gtest.h>

#include <ATen/ops/mm.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/zeros.h>

#include <random>

// Statistics of rows against closed forms, and against dense sampling of the definition.

namespace saffron::plugins::synth {
namespace {

constexpr std::int64_t kRows = 60'000;

// Step by step as the definition reads: a normal for every feature, then the levels of the trees.
// Feature numbers ascend by level.
at::Tensor dense_rows(const FeatureModel& model, std::int64_t rows) {
  const std::int64_t n = model.features(), rank = model.factor.size(1);
  const Hierarchy& h = model.hierarchy;
  std::mt19937_64 engine(7);
  std::normal_distribution<double> normal;
  at::Tensor result = at::zeros({rows, n}, at::kDouble);
  const double* factor = model.factor.const_data_ptr<double>();
  std::vector<double> eps(static_cast<std::size_t>(rank));
  for (std::int64_t r = 0; r < rows; ++r) {
    double* a = result.mutable_data_ptr<double>() + r * n;
    for (double& e : eps) e = normal(engine);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto at_i = static_cast<std::size_t>(i);
      double g = model.residual[at_i] * normal(engine);
      for (std::int64_t k = 0; k < rank; ++k) {
        g += eps[static_cast<std::size_t>(k)] * factor[i * rank + k];
      }
      const double value = model.mean[at_i] + model.deviation[at_i] * normal(engine);
      a[i] = g > model.thresholds[at_i] ? std::max(0.0, value) : 0;
    }
    for (std::size_t p = 0; p < model.exclusive.size(); ++p) {
      const std::int64_t first = h.first_child(static_cast<std::int64_t>(p));
      std::vector<std::int64_t> active;
      for (std::int64_t c = first; c < first + h.branching; ++c) {
        if (a[c] > 0) active.push_back(c);
        if (h.scale_children || a[p] == 0) a[c] *= a[p] / model.mean[p];
      }
      if (model.exclusive[p] == 0 || active.size() < 2) continue;
      const std::size_t kept = engine() % active.size();
      for (std::size_t i = 0; i < active.size(); ++i) {
        if (i != kept) a[active[i]] = 0;
      }
    }
  }
  return result;
}

// (mean of one - mean of the other) / standard error, for every column.
std::vector<double> differences(const at::Tensor& one, const at::Tensor& two) {
  const at::Tensor rows = (one.var(0) / one.size(0) + two.var(0) / two.size(0)).sqrt();
  const at::Tensor z = ((one.mean(0) - two.mean(0)) / rows).contiguous();
  const double* p = z.const_data_ptr<double>();
  return {p, p + z.numel()};
}

struct Samples {
  at::Tensor ours, dense;
};

Samples samples(const Options& o) {
  return {coefficients(o, kRows, 3), dense_rows(model_of(o), kRows)};
}

void compare(const Samples& s) {
  const at::Tensor ours = (s.ours > 0).to(at::kDouble), dense = (s.dense > 0).to(at::kDouble);
  // Features of a row are dependent, so the mean squares below are of fewer independent values than
  // there are; the bounds hold with the fixed seeds.
  expect_standard(differences(ours, dense));                        // firing rates
  expect_standard(differences(s.ours, s.dense));                    // magnitudes
  expect_standard(differences(s.ours.square(), s.dense.square()));  // and their spread
  const at::Tensor l0 = ours.sum(1, true), dense_l0 = dense.sum(1, true);
  expect_within(differences(l0, dense_l0)[0], 0, 1);
  expect_within(differences(l0.square(), dense_l0.square())[0], 0, 1);
  // Every pair of features that fire together.
  const auto n = static_cast<double>(kRows);
  const at::Tensor p = at::mm(ours.t(), ours) / n, q = at::mm(dense.t(), dense) / n;
  const at::Tensor z = (p - q) / ((p * (1 - p) + q * (1 - q)) / n).clamp_min(1e-12).sqrt();
  std::vector<double> pairs;
  for (std::int64_t i = 0; i < p.size(0); ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      if (p[i][j].item<double>() * n > 10) pairs.push_back(z[i][j].item<double>());
    }
  }
  EXPECT_GT(pairs.size(), 500u);
  double squares = 0, largest = 0;
  for (const double x : pairs) {
    squares += x * x;
    largest = std::max(largest, std::abs(x));
  }
  EXPECT_NEAR(squares / static_cast<double>(pairs.size()), 1, 0.3);
  EXPECT_LT(largest, 5);
}

TEST(SynthStatistics, AreThoseOfDenseSampling) { compare(samples(small())); }

TEST(SynthStatistics, AreThoseOfDenseSamplingWithoutScaling) {
  Options o = small();
  o.hierarchy.scale_children = false;
  o.hierarchy.exclusive = 1;
  o.hierarchy.compensate = false;
  o.firing.maximum = 0.8;
  o.firing.minimum = 0.3;
  compare(samples(o));
}

double active_share(const FeatureModel& m, std::size_t i) {
  return normal_cdf(m.mean[i] / m.deviation[i]);
}

// Rates of features that no other silences: q Phi(mu / sigma), with the copula as without.
TEST(SynthStatistics, FreeFeaturesFireAtTheirProbability) {
  for (const double scale : {0.0, 0.35}) {
    Options o = small();
    o.correlation.scale = scale;
    o.hierarchy.roots = 0;
    const FeatureModel m = model_of(o);
    const at::Tensor rate = (coefficients(o, kRows, 5) > 0).to(at::kDouble).mean(0);
    std::vector<double> z;
    for (std::size_t i = 0; i < 60; ++i) {
      const double p = m.probabilities[i] * active_share(m, i);
      z.push_back((rate[static_cast<std::int64_t>(i)].item<double>() - p) /
                  std::sqrt(p * (1 - p) / kRows));
    }
    expect_standard(z);
  }
}

// P(both fire) = integral from t_i of phi(x) Phi((rho x - t_j) / sqrt(1 - rho^2)) dx.
double both_fire(double ti, double tj, double rho) {
  double sum = 0;
  const int steps = 4000;
  const double width = (8 - ti) / steps;
  for (int k = 0; k < steps; ++k) {
    const double x = ti + (k + 0.5) * width;
    sum += width * density(x) * normal_cdf((rho * x - tj) / std::sqrt(1 - rho * rho));
  }
  return sum;
}

TEST(SynthStatistics, PairsFollowTheCopula) {
  Options o = small();
  o.features = 12;
  o.hierarchy.roots = 0;
  o.correlation.scale = 0.5;
  const FeatureModel m = model_of(o);
  const at::Tensor rho = at::mm(m.factor, m.factor.t());
  const at::Tensor active = (coefficients(o, kRows, 5) > 0).to(at::kDouble);
  const at::Tensor pairs = at::mm(active.t(), active) / static_cast<double>(kRows);
  double strongest = 0, largest = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto a = static_cast<std::int64_t>(i), b = static_cast<std::int64_t>(j);
      const double r = rho[a][b].item<double>();
      const double p =
          both_fire(m.thresholds[i], m.thresholds[j], r) * active_share(m, i) * active_share(m, j);
      const double z = (pairs[a][b].item<double>() - p) / std::sqrt(p * (1 - p) / kRows);
      largest = std::max(largest, std::abs(z));
      strongest = std::max(strongest, std::abs(r));
    }
  }
  EXPECT_LT(largest, 3.5);  // of 66
  EXPECT_GT(strongest, 0.5);
}

// One tree of two leaves, uncorrelated: everything by hand.
TEST(SynthStatistics, AParentWithTwoChildren) {
  for (const double exclusive : {0.0, 1.0}) {
    Options o = small();
    o.features = 3;
    o.firing = {.exponent = 0.3, .maximum = 0.6, .minimum = 0.25};
    o.hierarchy = {.roots = 1, .branching = 2, .depth = 1, .exclusive = exclusive};
    o.correlation.rank = 0;
    const FeatureModel m = model_of(o);
    const at::Tensor a = coefficients(o, kRows, 4);
    double fires[3], mean[3], square[3];  // alone; of a > 0
    for (std::size_t i = 0; i < 3; ++i) {
      const double share = active_share(m, i), mu = m.mean[i], sigma = m.deviation[i];
      fires[i] = m.probabilities[i] * share;
      mean[i] = mu + sigma * density(mu / sigma) / share;
      square[i] = sigma * sigma + mu * mean[i];
    }
    const auto column = [&](std::int64_t i, double rate, double first, double second) {
      const at::Tensor values = a.select(1, i);
      const double n = kRows;
      expect_within((values > 0).to(at::kDouble).mean().item<double>(), rate,
                    std::sqrt(rate * (1 - rate) / n));
      expect_within(values.mean().item<double>(), rate * first,
                    std::sqrt((rate * second - rate * first * rate * first) / n));
    };
    column(0, fires[0], mean[0], square[0]);
    for (const int c : {1, 2}) {
      const double rival = fires[3 - c];
      const double kept = exclusive > 0 ? 1 - rival / 2 : 1;
      column(c, fires[0] * fires[c] * kept, mean[c] * mean[0] / m.mean[0],
             square[c] * square[0] / (m.mean[0] * m.mean[0]));
    }
  }
}

// The published figures: about 34 active features, of which about 25 are among the first 4096.
TEST(SynthStatistics, TheBenchmarkHasItsL0) {
  const Options o;
  const RowSampler sampler(model_of(o), Random(1));
  const Codes codes = sampler.draw(0, 4096);
  const at::Tensor counts = codes.firing_counts().to(at::kDouble) / 4096.0;
  EXPECT_NEAR(counts.sum().item<double>(), 34, 1);
  EXPECT_NEAR(counts.slice(0, 0, 4096).sum().item<double>(), 25, 1);
}

}  // namespace
}  // namespace saffron::plugins::synth
