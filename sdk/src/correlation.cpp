#include <saffron/correlation.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace saffron::inline sdk_v1 {
namespace {

double mean(std::span<const double> x) {
  double sum = 0;
  for (const double each : x) sum += each;
  return sum / static_cast<double>(x.size());
}

}  // namespace

std::vector<double> average_ranks(std::span<const double> x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::vector<double> out(x.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last + 1 < order.size() && x[order[last + 1]] == x[order[first]]) ++last;
    const double rank = static_cast<double>(first + last) / 2 + 1;
    for (; first <= last; ++first) out[order[first]] = rank;
  }
  return out;
}

std::optional<double> pearson(std::span<const double> x, std::span<const double> y) {
  if (x.size() < 2) return std::nullopt;
  const double mx = mean(x), my = mean(y);
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = x[i] - mx, v = y[i] - my;
    xx += u * u;
    yy += v * v;
    xy += u * v;
  }
  // What rounding leaves of a constant's differences from its mean is no variance.
  const auto constant = [&](double square, double m) {
    return square <= 1e-28 * m * m * static_cast<double>(x.size());
  };
  if (constant(xx, mx) || constant(yy, my)) return std::nullopt;
  return std::clamp(xy / (std::sqrt(xx) * std::sqrt(yy)), -1.0, 1.0);
}

std::optional<double> spearman(std::span<const double> x, std::span<const double> y) {
  return pearson(average_ranks(x), average_ranks(y));
}

}  // namespace saffron::inline sdk_v1
