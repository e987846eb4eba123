#include <saffron/error.h>
#include <saffron/reconstruction_metrics.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

namespace saffron::inline sdk_v1::metrics {
namespace {

// The unit of parallel work: fixed, so that sums do not depend on the number of threads.
constexpr std::int64_t kChunk = 256;

// sum of f(0..n-1) in eight interleaved partial sums, which the compiler turns into vector lanes.
template <class F>
double lane_sum(std::int64_t n, F f) {
  constexpr std::int64_t kLanes = 8;
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] += f(i + l);
  }
  for (std::int64_t l = 0; i < n; ++i, ++l) lanes[l] += f(i);
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <class F>
void each_chunk(std::int64_t rows, F f) {
  at::parallel_for(0, (rows + kChunk - 1) / kChunk, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      f(c, c * kChunk, std::min(rows, (c + 1) * kChunk));
    }
  });
}

template <class T>
at::Tensor column_mean(const T* x, std::int64_t rows, std::int64_t width) {
  at::Tensor partial = at::zeros({(rows + kChunk - 1) / kChunk, width}, at::kDouble);
  double* sums = partial.mutable_data_ptr<double>();
  each_chunk(rows, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    double* sum = sums + chunk * width;
    for (std::int64_t b = begin; b < end; ++b) {
      for (std::int64_t i = 0; i < width; ++i) sum[i] += static_cast<double>(x[b * width + i]);
    }
  });
  at::Tensor mean = at::zeros({width}, at::kDouble);
  for (std::int64_t c = 0; c < partial.size(0); ++c) mean += partial[c];
  return mean / static_cast<double>(rows);
}

// Sums of one row: ||e||^2, ||x||^2, ||xhat||^2, <x, xhat>, ||x - mean||^2.
enum Column : std::int64_t { kError, kNorm, kXhatNorm, kProduct, kDeviation, kColumns };

template <class T>
at::Tensor row_sums(const T* x, const T* xhat, const double* mean, std::int64_t rows,
                    std::int64_t width) {
  at::Tensor out = at::empty({rows, kColumns}, at::kDouble);
  double* sums = out.mutable_data_ptr<double>();
  each_chunk(rows, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const T *p = x + b * width, *q = xhat + b * width;
      const auto value = [](T v) { return static_cast<double>(v); };
      const auto square = [](double v) { return v * v; };
      double* sum = sums + b * kColumns;
      sum[kError] = lane_sum(width, [&](auto i) { return square(value(p[i]) - value(q[i])); });
      sum[kNorm] = lane_sum(width, [&](auto i) { return square(value(p[i])); });
      sum[kXhatNorm] = lane_sum(width, [&](auto i) { return square(value(q[i])); });
      sum[kProduct] = lane_sum(width, [&](auto i) { return value(p[i]) * value(q[i]); });
      sum[kDeviation] = lane_sum(width, [&](auto i) { return square(value(p[i]) - mean[i]); });
    }
  });
  return out;
}

double ratio(double numerator, double denominator) {
  return denominator == 0 ? std::numeric_limits<double>::quiet_NaN() : numerator / denominator;
}

// A tensor of a saved state, if it has the shape and type that were written.
at::Tensor saved(const Tensors& in, const std::string& name, std::int64_t size,
                 at::ScalarType type) {
  const at::Tensor& tensor = in[name];
  if (tensor.dim() != 1 || tensor.size(0) != size || tensor.scalar_type() != type) {
    throw Error(ErrorKind::data, cat("the saved sums have ", tensor.toString(), " ", tensor.sizes(),
                                     " for '", name, "', expected ", size, " numbers"));
  }
  return tensor.contiguous();
}

}  // namespace

ReconstructionSums::ReconstructionSums(std::int64_t width)
    : mean_(at::zeros({width}, at::kDouble)) {}

at::Tensor ReconstructionSums::add(const at::Tensor& x, const at::Tensor& xhat) {
  if (x.dim() != 2 || x.size(1) != mean_.size(0) || xhat.sizes() != x.sizes()) {
    throw Error(cat("reconstruction: x ", x.sizes(), " and xhat ", xhat.sizes(), ", expected [R, ",
                    mean_.size(0), "] both"));
  }
  const std::int64_t rows = x.size(0), width = x.size(1);
  if (rows == 0) return at::empty({0}, at::kDouble);
  const bool single = x.scalar_type() == at::kFloat && xhat.scalar_type() == at::kFloat;
  const auto plain = [&](const at::Tensor& t) {
    return t.detach().to(at::kCPU, single ? at::kFloat : at::kDouble).contiguous();
  };
  const at::Tensor a = plain(x), b = plain(xhat);
  at::Tensor mean, sums;
  if (single) {
    mean = column_mean(a.const_data_ptr<float>(), rows, width);
    sums = row_sums(a.const_data_ptr<float>(), b.const_data_ptr<float>(),
                    mean.const_data_ptr<double>(), rows, width);
  } else {
    mean = column_mean(a.const_data_ptr<double>(), rows, width);
    sums = row_sums(a.const_data_ptr<double>(), b.const_data_ptr<double>(),
                    mean.const_data_ptr<double>(), rows, width);
  }

  double variation = 0;
  const double* row = sums.const_data_ptr<double>();
  for (std::int64_t r = 0; r < rows; ++r, row += kColumns) {
    error_ += row[kError];
    norm_ += row[kNorm];
    xhat_norm_ += row[kXhatNorm];
    product_ += row[kProduct];
    variation += row[kDeviation];
    if (row[kNorm] == 0) continue;
    ++nonzero_rows_;
    norm_ratios_ += std::sqrt(row[kXhatNorm] / row[kNorm]);
    if (row[kXhatNorm] != 0) {
      cosines_ += row[kProduct] / (std::sqrt(row[kNorm]) * std::sqrt(row[kXhatNorm]));
    }
  }
  add_variation(rows, mean, variation);
  return sums.select(1, kError).clone();
}

void ReconstructionSums::add_variation(std::int64_t rows, const at::Tensor& mean,
                                       double variation) {
  if (rows == 0) return;
  const auto n = static_cast<double>(rows), all = static_cast<double>(rows_ + rows);
  const at::Tensor step = mean - mean_;
  variation_ += variation + step.square().sum().item<double>() * n * (all - n) / all;
  mean_ = mean_ + step * (n / all);
  rows_ += rows;
}

void ReconstructionSums::merge(const ReconstructionSums& other) {
  if (other.mean_.size(0) != mean_.size(0)) {
    throw Error(cat("reconstruction: sums over ", other.mean_.size(0), " coordinates merged into ",
                    mean_.size(0)));
  }
  add_variation(other.rows_, other.mean_, other.variation_);
  nonzero_rows_ += other.nonzero_rows_;
  error_ += other.error_;
  norm_ += other.norm_;
  xhat_norm_ += other.xhat_norm_;
  product_ += other.product_;
  cosines_ += other.cosines_;
  norm_ratios_ += other.norm_ratios_;
}

void ReconstructionSums::save(Tensors& out, const std::string& prefix) const {
  at::Tensor counts = at::empty({2}, at::kLong), sums = at::empty({7}, at::kDouble);
  std::int64_t* count = counts.mutable_data_ptr<std::int64_t>();
  count[0] = rows_;
  count[1] = nonzero_rows_;
  const double values[] = {variation_, error_, norm_, xhat_norm_, product_, cosines_, norm_ratios_};
  std::copy(std::begin(values), std::end(values), sums.mutable_data_ptr<double>());
  out.set(prefix + "counts", counts);
  out.set(prefix + "sums", sums);
  out.set(prefix + "mean", mean_.clone());
}

void ReconstructionSums::load(const Tensors& in, const std::string& prefix) {
  const at::Tensor counts = saved(in, prefix + "counts", 2, at::kLong);
  const at::Tensor sums = saved(in, prefix + "sums", 7, at::kDouble);
  mean_ = saved(in, prefix + "mean", mean_.size(0), at::kDouble).clone();
  rows_ = counts.const_data_ptr<std::int64_t>()[0];
  nonzero_rows_ = counts.const_data_ptr<std::int64_t>()[1];
  const double* value = sums.const_data_ptr<double>();
  for (double* member :
       {&variation_, &error_, &norm_, &xhat_norm_, &product_, &cosines_, &norm_ratios_}) {
    *member = *value++;
  }
}

double ReconstructionSums::fvu() const { return ratio(error_, variation_); }
double ReconstructionSums::fvu_uncentred() const { return ratio(error_, norm_); }
double ReconstructionSums::mse() const { return ratio(error_, static_cast<double>(rows_)); }
double ReconstructionSums::cosine() const {
  return ratio(cosines_, static_cast<double>(nonzero_rows_));
}
double ReconstructionSums::norm_ratio() const {
  return ratio(norm_ratios_, static_cast<double>(nonzero_rows_));
}
double ReconstructionSums::relative_bias() const { return ratio(xhat_norm_, product_); }

std::vector<Metric> ReconstructionSums::metrics(const std::string& subject) const {
  const char* all_equal = "every row is the same";
  const char* all_zero = "every row is 0";
  std::vector<Metric> out;
  const auto add = [&](const char* key, double value, const char* why, const char* definition,
                       const char* range, Better better) {
    std::string reason;
    if (rows_ == 0) {
      reason = "no row was scored";
    } else if (!std::isfinite(error_)) {
      reason = "a row or its reconstruction is not finite";
    } else if (!std::isfinite(value)) {
      reason = why;
    }
    out.push_back({.key = key,
                   .value = value,
                   .undefined = std::move(reason),
                   .definition = definition,
                   .unit = "",
                   .range = range,
                   .better = better,
                   .subject = subject});
  };
  add("fvu", fvu(), all_equal,
      "fraction of variance unexplained: sum ||x - xhat||^2 / sum ||x - mean x||^2, the mean over "
      "all rows scored",
      "[0, inf)", Better::lower);
  add("fvu_uncentred", fvu_uncentred(), all_zero, "sum ||x - xhat||^2 / sum ||x||^2", "[0, inf)",
      Better::lower);
  add("explained_variance", 1 - fvu(), all_equal,
      "1 - fvu = 1 - sum ||x - xhat||^2 / sum ||x - mean x||^2", "(-inf, 1]", Better::higher);
  add("mse", mse(), "", "mean over rows of ||x - xhat||^2, summed over coordinates", "[0, inf)",
      Better::lower);
  add("cosine", cosine(), all_zero, "mean over rows with x != 0 of cos(x, xhat); 0 where xhat = 0",
      "[-1, 1]", Better::higher);
  add("norm_ratio", norm_ratio(), all_zero,
      "mean over rows with x != 0 of ||xhat|| / ||x||; below 1 is shrinkage", "[0, inf)",
      Better::neither);
  add("relative_bias", relative_bias(), "no reconstruction has a part along its row",
      "sum ||xhat||^2 / sum <x, xhat>; below 1, scaling xhat up would fit better (shrinkage)",
      "(-inf, inf)", Better::neither);
  return out;
}

double row_explained_variance(const at::Tensor& x, const at::Tensor& squared_error,
                              const at::Tensor& mean) {
  double sum = 0;
  std::int64_t counted = 0;
  for (std::int64_t begin = 0; begin < x.size(0); begin += kChunk) {
    const std::int64_t end = std::min(x.size(0), begin + kChunk);
    const at::Tensor spread = (x.slice(0, begin, end).to(at::kDouble) - mean).square().sum(1);
    const at::Tensor kept = spread.ne(0).nonzero().squeeze(1);
    const at::Tensor error = squared_error.slice(0, begin, end).index_select(0, kept);
    sum += (1 - error / spread.index_select(0, kept)).sum().item<double>();
    counted += kept.size(0);
  }
  return ratio(sum, static_cast<double>(counted));
}

}  // namespace saffron::inline sdk_v1::metrics
