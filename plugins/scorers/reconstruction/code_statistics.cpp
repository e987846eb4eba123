#include "code_statistics.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace saffron::plugins {
namespace {

// a + b, the shorter one padded with zeros.
at::Tensor padded_sum(const at::Tensor& a, const at::Tensor& b) {
  at::Tensor sum = at::zeros({std::max(a.size(0), b.size(0))}, at::kLong);
  sum.slice(0, 0, a.size(0)) += a;
  sum.slice(0, 0, b.size(0)) += b;
  return sum;
}

at::Tensor counts_of(const Tensors& in, const std::string& name) {
  const at::Tensor& tensor = in[name];
  if (tensor.dim() != 1 || tensor.scalar_type() != at::kLong) {
    throw Error(ErrorKind::data, cat("the saved statistics have ", tensor.toString(), " ",
                                     tensor.sizes(), " for '", name, "', expected counts"));
  }
  return tensor.clone();
}

// How many of the smallest values make up at least q of `count`, at least one.
std::int64_t quantile_rank(double q, std::int64_t count) {
  return std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::ceil(q * static_cast<double>(count) - 1e-9)));
}

}  // namespace

CodeStatistics::CodeStatistics(std::int64_t latents)
    : rows_by_l0_(at::zeros({1}, at::kLong)), fired_(at::zeros({latents}, at::kLong)) {}

void CodeStatistics::add(const std::vector<Codes>& spaces) {
  at::Tensor l0;
  std::vector<at::Tensor> fired;
  for (const Codes& codes : spaces) {
    l0 = l0.defined() ? l0 + codes.l0() : codes.l0();
    fired.push_back(codes.firing_counts());
  }
  rows_by_l0_ = padded_sum(rows_by_l0_, at::bincount(l0.to(at::kCPU)));
  fired_ = padded_sum(fired_, at::cat(fired).to(at::kCPU));
}

void CodeStatistics::merge(const CodeStatistics& other) {
  rows_by_l0_ = padded_sum(rows_by_l0_, other.rows_by_l0_);
  fired_ = padded_sum(fired_, other.fired_);
}

void CodeStatistics::save(Tensors& out, const std::string& prefix) const {
  out.set(prefix + "rows_by_l0", rows_by_l0_.clone());
  out.set(prefix + "fired", fired_.clone());
}

void CodeStatistics::load(const Tensors& in, const std::string& prefix) {
  rows_by_l0_ = counts_of(in, prefix + "rows_by_l0");
  fired_ = counts_of(in, prefix + "fired");
}

std::int64_t CodeStatistics::rows() const { return rows_by_l0_.sum().item<std::int64_t>(); }

std::int64_t CodeStatistics::dead() const { return fired_.eq(0).sum().item<std::int64_t>(); }

double CodeStatistics::mean_l0() const {
  const at::Tensor l0 = at::arange(rows_by_l0_.size(0), at::kLong);
  return (l0 * rows_by_l0_).sum().item<double>() / static_cast<double>(rows());
}

std::int64_t CodeStatistics::l0_quantile(double q) const {
  const at::Tensor below = rows_by_l0_.cumsum(0);
  return below.lt(quantile_rank(q, rows())).sum().item<std::int64_t>();
}

std::int64_t CodeStatistics::fired_quantile(double q) const {
  const at::Tensor ascending = std::get<0>(fired_.sort());
  return ascending[quantile_rank(q, latents()) - 1].item<std::int64_t>();
}

std::vector<Metric> CodeStatistics::metrics(const std::string& subject) const {
  std::vector<Metric> out;
  const bool any = rows() > 0;
  const auto add = [&](const char* key, auto value, const char* definition, const char* unit,
                       const char* range, Better better = Better::neither) {
    out.push_back({.key = key,
                   .value = any ? static_cast<double>(value()) : std::nan(""),
                   .undefined = any ? "" : "no row was scored",
                   .definition = definition,
                   .unit = unit,
                   .range = range,
                   .better = better,
                   .subject = subject});
  };
  const char *l0_range = "[0, F]", *rows_range = "[0, rows]";
  add(
      "l0", [&] { return mean_l0(); }, "mean over rows of the number of latents that are not 0",
      "latents", l0_range);
  add(
      "l0_median", [&] { return l0_quantile(0.5); },
      "smallest L0 that at least half of the rows do not exceed", "latents", l0_range);
  add(
      "l0_p5", [&] { return l0_quantile(0.05); },
      "smallest L0 that at least 5 % of the rows do not exceed", "latents", l0_range);
  add(
      "l0_p95", [&] { return l0_quantile(0.95); },
      "smallest L0 that at least 95 % of the rows do not exceed", "latents", l0_range);
  add(
      "dead_share", [&] { return static_cast<double>(dead()) / static_cast<double>(latents()); },
      "share of latents that are 0 in every row scored; rows_scored says how many rows that are",
      "", "[0, 1]", Better::lower);
  add(
      "rows_per_latent_p10", [&] { return fired_quantile(0.1); },
      "rows in which a latent fired: the smallest number that 10 % of the latents do not exceed",
      "rows", rows_range);
  add(
      "rows_per_latent_median", [&] { return fired_quantile(0.5); },
      "rows in which a latent fired: the smallest number that half of the latents do not exceed",
      "rows", rows_range);
  add(
      "rows_per_latent_p90", [&] { return fired_quantile(0.9); },
      "rows in which a latent fired: the smallest number that 90 % of the latents do not exceed",
      "rows", rows_range);
  out.push_back({.key = "rows_scored",
                 .value = static_cast<double>(rows()),
                 .undefined = "",
                 .definition = "rows that these figures are about",
                 .unit = "rows",
                 .range = "[0, inf)",
                 .better = Better::neither,
                 .subject = subject});
  return out;
}

}  // namespace saffron::plugins
