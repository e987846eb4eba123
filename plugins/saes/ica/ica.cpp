#include "ica.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <string>

namespace saffron::plugins {
namespace {

constexpr double kNoVariance = 1e-12;  // of the largest: below it is rounding
const std::string kFit = "fit/";       // its tensors in a state, beside the covariance's

// (A A^T)^-1/2 A: the orthonormal rows nearest to A's.
at::Tensor orthonormal(const at::Tensor& a) {
  const Axes axes = principal_axes(a.mm(a.t()));
  const at::Tensor& u = axes.directions;
  return (u.t() * axes.variances.rsqrt()).mm(u).mm(a);
}

}  // namespace

Schema<Ica::Options> Ica::schema() {
  return Schema<Options>{}
      .param("components", &Options::components, "independent components m, at most d; 0: d",
             non_negative())
      .param("passes", &Options::passes, "passes over the rows at most, the whitening one included",
             at_least(2))
      .param("tolerance", &Options::tolerance, "the rotation is final when it moves by less",
             positive())
      .param("whiten", &Options::whiten, "scale codes to variance 1; directions have norm 1 else")
      .include(&Options::codes, ComponentOptions::schema());
}

std::int64_t Ica::components(std::int64_t d) const {
  if (options_.components > d) {
    throw Error(cat("ica finds at most ", d, " components in rows of width ", d, ", not ",
                    options_.components));
  }
  return options_.components > 0 ? options_.components : d;
}

void Ica::initialise_own(const InitInput& init) {
  ComponentSae::initialise_own(init);
  const std::int64_t m = ComponentSae::components();
  fit_.set("rotation", orthonormal(init.random.fork("rotation").normal_rows(0, m, m, at::kDouble)));
}

void Ica::observe(const SaeInput& batch) {
  const at::Tensor& x = batch.inputs.at(0);
  if (pass_ == 0) return covariance_.add(x);
  const at::Tensor y = (x.to(at::kDouble) - fit_["mean"]).mm(fit_["whitening"].t());
  const at::Tensor g = y.mm(fit_["rotation"].t()).tanh_();
  fit_["products"].addmm_(g.t(), y);
  fit_["slopes"].add_((1 - g.square()).sum(0));
  rows_ += x.size(0);
}

bool Ica::end_pass() {
  bool moves = true;
  if (pass_ == 0) {
    whiten();
  } else {
    moves = rotate() >= options_.tolerance;
  }
  clear_sums();
  ++pass_;
  publish();
  const bool more = moves && pass_ < options_.passes;
  if (!more) fit_ = Tensors();  // it follows from the parameters
  return more;
}

void Ica::whiten() {
  const std::int64_t m = ComponentSae::components();
  const Axes axes = principal_axes(covariance_.matrix(0));
  const at::Tensor variances = axes.variances.slice(0, 0, m).unsqueeze(1);
  const auto rank =
      axes.variances.gt(kNoVariance * axes.variances[0].item<double>()).sum().item<std::int64_t>();
  if (rank < m) {
    throw Error(ErrorKind::numeric,
                cat("its ", covariance_.rows(), " rows vary in ", rank,
                    " directions, ica cannot find ", m, " independent components in them"))
        .with_help(rank > 0 ? cat("components = ", rank, ", or more rows")
                            : "all rows are equal: there is nothing to find");
  }
  const at::Tensor directions = axes.directions.slice(0, 0, m);
  fit_.set("mean", covariance_.mean());
  fit_.set("whitening", directions * variances.rsqrt());
  fit_.set("unwhitening", directions * variances.sqrt());
  covariance_.clear();
}

double Ica::rotate() {
  const double n = static_cast<double>(rows_);
  const at::Tensor before = fit_["rotation"];
  const at::Tensor now =
      orthonormal(fit_["products"] / n - (fit_["slopes"] / n).unsqueeze(1) * before);
  fit_.set("rotation", now);
  return ((now * before).sum(1).abs() - 1).abs().max().item<double>();
}

void Ica::clear_sums() {
  const std::int64_t m = ComponentSae::components();
  fit_.set("products", at::zeros({m, m}, at::kDouble));
  fit_.set("slopes", at::zeros({m}, at::kDouble));
  rows_ = 0;
}

void Ica::publish() {
  const at::Tensor& rotation = fit_["rotation"];
  const at::Tensor encoder = rotation.mm(fit_["whitening"]);
  const at::Tensor decoder = rotation.mm(fit_["unwhitening"]);
  if (options_.whiten) return set(encoder, decoder, fit_["mean"]);
  const at::Tensor norms = decoder.norm(2, {1}, true);
  set(encoder * norms, decoder / norms, fit_["mean"]);
}

State Ica::save() const {
  State state = covariance_.save();
  for (const auto& [name, tensor] : fit_) state.tensors.set(kFit + name, tensor.clone());
  state.values.set("pass", pass_);
  state.values.set("rows of pass", rows_);
  return state;
}

void Ica::load(const State& state) {
  covariance_.load(state);
  fit_ = Tensors();
  for (const auto& [name, tensor] : state.tensors) {
    if (name.rfind(kFit, 0) == 0) fit_.set(name.substr(kFit.size()), tensor.clone());
  }
  pass_ = state.values.at("pass").as_int();
  rows_ = state.values.at("rows of pass").as_int();
}

}  // namespace saffron::plugins
