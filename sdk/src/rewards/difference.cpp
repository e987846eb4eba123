#include "src/rewards/difference.h"

#include "ops/cpu/vector.h"

#include <algorithm>
#include <cmath>

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr std::int64_t kWide = 8;      // sums side by side, whatever the instruction set
constexpr std::int64_t kBlock = 1024;  // cells whose sums are added up by themselves

struct Weights {
  const double *count, *mass, *peak;
};

// Sums of w |d| and w d^2, largest |d| and w |d|.
struct Sums {
  double one[kWide] = {}, two[kWide] = {}, inf[kWide] = {};
  double weighted_one[kWide] = {}, weighted_two[kWide] = {}, weighted_inf[kWide] = {};
};

[[gnu::always_inline]] inline void add(Sums& out, std::int64_t lane, double d, double count,
                                       double mass, double peak) {
  const double size = std::abs(d), square = d * d, at_peak = size * peak;
  out.one[lane] += count * size;
  out.two[lane] += count * square;
  out.inf[lane] = size > out.inf[lane] ? size : out.inf[lane];
  out.weighted_one[lane] += mass * size;
  out.weighted_two[lane] += mass * square;
  out.weighted_inf[lane] = at_peak > out.weighted_inf[lane] ? at_peak : out.weighted_inf[lane];
}

SAFFRON_CLONES void sum_block(std::int64_t n, double a, const double* x, double b, const double* y,
                              const Weights& w, Sums& out) {
  Sums sums;
  std::int64_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    for (std::int64_t l = 0; l < kWide; ++l) {
      const std::int64_t k = i + l;
      add(sums, l, a * x[k] - b * y[k], w.count[k], w.mass[k], w.peak[k]);
    }
  }
  for (; i < n; ++i) add(sums, i % kWide, a * x[i] - b * y[i], w.count[i], w.mass[i], w.peak[i]);
  out = sums;
}

SAFFRON_CLONES double largest_size(std::int64_t n, const double* x) {
  double out = 0;
#pragma omp simd reduction(max : out)
  for (std::int64_t i = 0; i < n; ++i) out = std::abs(x[i]) > out ? std::abs(x[i]) : out;
  return out;
}

double sum(const double (&lanes)[kWide]) {
  double out = 0;
  for (const double x : lanes) out += x;
  return out;
}

double most(const double (&lanes)[kWide]) { return *std::max_element(lanes, lanes + kWide); }

}  // namespace

Sized Sized::of(const double* data, std::int64_t n) { return {data, largest_size(n, data)}; }

Norms norms_of_difference(double a, const Sized& x, double b, const Sized& y, const Cells& cells) {
  // Brought to a size of 1 before anything is squared.
  const double size = std::max({std::abs(a) * x.largest, std::abs(b) * y.largest, 1e-290});
  const double *count = cells.count.const_data_ptr<double>(),
               *mass = cells.mass.const_data_ptr<double>(),
               *peak = cells.peak.const_data_ptr<double>();
  const std::int64_t n = cells.count.numel();
  Norms out;
  Sums block;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    sum_block(std::min(kBlock, n - i), a / size, x.data + i, b / size, y.data + i,
              {count + i, mass + i, peak + i}, block);
    out[Norm::one] += sum(block.one);
    out[Norm::two] += sum(block.two);
    out[Norm::inf] = std::max(out[Norm::inf], most(block.inf));
    out[Norm::weighted_one] += sum(block.weighted_one);
    out[Norm::weighted_two] += sum(block.weighted_two);
    out[Norm::weighted_inf] = std::max(out[Norm::weighted_inf], most(block.weighted_inf));
  }
  out[Norm::two] = std::sqrt(out[Norm::two]);
  out[Norm::weighted_two] = std::sqrt(out[Norm::weighted_two]);
  for (const Norm kind : {Norm::one, Norm::two, Norm::inf, Norm::weighted_one, Norm::weighted_two,
                          Norm::weighted_inf}) {
    out[kind] *= size;
  }
  return out;
}

}  // namespace saffron::inline sdk_v1::rewards
