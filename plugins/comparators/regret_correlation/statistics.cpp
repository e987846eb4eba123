#include "statistics.h"

#include <saffron/correlation.h>

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace saffron::plugins {
namespace {

struct Sums {
  double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;

  void add(double u, double v) {
    n += 1;
    x += u;
    y += v;
    xx += u * u;
    yy += v * v;
    xy += u * v;
  }
  // The correlation of all that `all` has and this does not.
  [[nodiscard]] double rho_without(const Sums& all) const {
    const double m = all.n - n, mx = (all.x - x) / m, my = (all.y - y) / m;
    const double sxx = all.xx - xx - m * mx * mx, syy = all.yy - yy - m * my * my;
    return (all.xy - xy - m * mx * my) / std::sqrt(sxx * syy);
  }
};

double mean(std::span<const double> x) {
  double sum = 0;
  for (const double each : x) sum += each;
  return sum / static_cast<double>(x.size());
}

// sqrt((g - 1) / g sum (rho_i - mean rho)^2) over the g correlations without one environment.
std::optional<double> jackknife(const std::vector<Sums>& environments) {
  Sums all;
  for (const Sums& e : environments) {
    all.n += e.n;
    all.x += e.x;
    all.y += e.y;
    all.xx += e.xx;
    all.yy += e.yy;
    all.xy += e.xy;
  }
  std::vector<double> without;
  for (const Sums& e : environments) without.push_back(e.rho_without(all));
  if (without.size() < 2) return std::nullopt;
  const double middle = mean(without);
  double square = 0;
  for (const double rho : without) square += (rho - middle) * (rho - middle);
  const auto g = static_cast<double>(without.size());
  const double error = std::sqrt((g - 1) / g * square);
  return std::isfinite(error) ? std::optional(error) : std::nullopt;
}

struct Columns {
  std::vector<double> d, regret, w12, w;
  std::vector<std::int64_t> environment;
};

Columns columns(const Observations& observations, std::size_t key) {
  Columns out;
  for (const Observation& row : observations.rows) {
    if (!std::isfinite(row.distances[key])) continue;
    out.d.push_back(row.distances[key]);
    out.regret.push_back(row.regret);
    out.w12.push_back(row.w12);
    out.w.push_back(row.w());
    out.environment.push_back(row.environment);
  }
  return out;
}

// The standard deviation as a share of the mean.
std::optional<double> variation(std::span<const double> x) {
  const double middle = mean(x);
  double square = 0;
  for (const double each : x) square += (each - middle) * (each - middle);
  const double share = std::sqrt(square / static_cast<double>(x.size())) / middle;
  return std::isfinite(share) ? std::optional(share) : std::nullopt;
}

void find_constants(const Columns& c, Statistics& out) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < c.d.size(); ++i) {
    if (!(c.w12[i] > kLeastRegret)) continue;
    ratios.push_back(c.d[i] > 0 ? c.w12[i] / c.d[i] : std::numeric_limits<double>::infinity());
  }
  if (ratios.empty()) return;
  const auto [least, largest] = std::ranges::minmax(ratios);
  out.L = least;
  out.U = largest;
  out.variation = variation(ratios);
}

}  // namespace

// About the means, which no sum then swamps.
Correlation correlation(std::span<const double> x, std::span<const double> y,
                        std::span<const std::int64_t> environments) {
  Correlation out{pearson(x, y), std::nullopt};
  if (!out.rho) return out;
  const double mx = mean(x), my = mean(y);
  std::vector<Sums> sums;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i == 0 || environments[i] != environments[i - 1]) sums.emplace_back();
    sums.back().add(x[i] - mx, y[i] - my);
  }
  out.error = jackknife(sums);
  return out;
}

std::vector<Statistics> statistics(const Observations& observations) {
  std::vector<Statistics> out(observations.keys.size());
  at::parallel_for(
      0, static_cast<std::int64_t>(out.size()), 1, [&](std::int64_t b, std::int64_t e) {
        for (auto key = static_cast<std::size_t>(b); key < static_cast<std::size_t>(e); ++key) {
          const Columns c = columns(observations, key);
          Statistics& s = out[key];
          s.key = observations.keys[key];
          s.pairs = static_cast<std::int64_t>(c.d.size());
          s.regret = correlation(c.d, c.regret, c.environment);
          s.w = correlation(c.d, c.w, c.environment);
          s.rank_regret = spearman(c.d, c.regret);
          s.rank_w = spearman(c.d, c.w);
          find_constants(c, s);
        }
      });
  return out;
}

}  // namespace saffron::plugins
