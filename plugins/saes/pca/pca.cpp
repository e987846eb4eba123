#include "pca.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

namespace saffron::plugins {
namespace {

constexpr double kNoVariance = 1e-12;  // of the largest: below it is rounding

}  // namespace

Schema<Pca::Options> Pca::schema() {
  return Schema<Options>{}
      .param("components", &Options::components, "principal components m, at most d; 0: d",
             non_negative())
      .param("whiten", &Options::whiten, "scale codes to variance 1; directions have norm 1 else")
      .include(&Options::codes, ComponentOptions::schema());
}

std::int64_t Pca::components(std::int64_t d) const {
  if (options_.components > d) {
    throw Error(cat("pca finds at most ", d, " components in rows of width ", d, ", not ",
                    options_.components));
  }
  return options_.components > 0 ? options_.components : d;
}

bool Pca::end_pass() {
  const Axes axes = principal_axes(covariance_.matrix(1));
  const at::Tensor directions = axes.directions.slice(0, 0, ComponentSae::components());
  const at::Tensor mean = covariance_.mean();
  covariance_.clear();
  if (!options_.whiten) {
    set(directions, directions, mean);
    return false;
  }
  const at::Tensor variances = axes.variances.slice(0, 0, directions.size(0)).unsqueeze(1);
  const double floor = kNoVariance * axes.variances[0].item<double>();
  const at::Tensor rates =
      at::where(variances > floor, variances.rsqrt(), at::zeros_like(variances));
  set(directions * rates, directions * variances.sqrt(), mean);
  return false;
}

}  // namespace saffron::plugins
