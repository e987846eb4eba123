#include "mutual_features.h"

#include <saffron/error.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <string>
#include <vector>

namespace saffron::plugins {
namespace {

constexpr double kSmallestNorm = 1e-12;

at::Tensor unit_rows(const at::Tensor& w) {
  return w / w.norm(2, at::IntArrayRef{1}, true).clamp_min(kSmallestNorm);
}

const ParameterSpec& decoder_of(const TrainedSae& sae) {
  for (const ParameterSpec& parameter : sae.spec.parameters) {
    if (parameter.role == Role::decoder && parameter.shape.size() == 2) return parameter;
  }
  throw Error(cat("mutual_features: SAE '", sae.name, "' has no decoder [latents, width]"));
}

}  // namespace

Schema<MutualFeatures::Options> MutualFeatures::schema() {
  return Schema<Options>{}
      .param("ramp", &Options::ramp, "steps over which the penalty grows to its full weight, T",
             non_negative(), unit("steps"))
      .param(
          "assign_every", &Options::assign_every,
          "steps between two solutions of the assignment, which costs O(H^3); in between the last "
          "one holds",
          at_least(1), unit("steps"))
      .param("reinitialise", &Options::reinitialise,
             "draw an SAE anew when its latents' firing rates are far from even")
      .param("reinit_threshold", &Options::reinit_threshold,
             "score above which an SAE is drawn anew (2.5 as published last, 1 before)", positive())
      .param("target_rate", &Options::target_rate,
             "firing rate that every latent should have, r0; k / H of each SAE unless given "
             "(0.0625 as published)",
             Rule{.low = 0, .high = 1, .low_open = true});
}

double MutualFeatures::ramp_weight(std::int64_t step, std::int64_t ramp) {
  if (step >= ramp) return 1;
  const double left = static_cast<double>(ramp - step) / static_cast<double>(ramp);
  return (1 + std::cos(std::numbers::pi * left)) / 2;
}

double MutualFeatures::reinit_score(const at::Tensor& rates, double target_rate) {
  return ((rates.to(at::kDouble) - target_rate).abs() / target_rate).pow(3).mean().item<double>();
}

void MutualFeatures::check(const std::vector<const TrainedSae*>& saes) const {
  if (saes.size() < 2) {
    throw Error("mutual_features ties several SAEs to each other, but `over` has one")
        .with_help("name at least two SAEs in `over`");
  }
  const std::vector<std::int64_t>& first = decoder_of(*saes.front()).shape;
  for (const TrainedSae* sae : saes) {
    if (sae->spec.spaces != 1) {
      throw Error(cat("mutual_features: SAE '", sae->name, "' has ", sae->spec.spaces,
                      " code spaces; it ties dictionaries of one"));
    }
    const std::vector<std::int64_t>& shape = decoder_of(*sae).shape;
    if (shape.at(1) != first.at(1)) {
      throw Error(cat("mutual_features: the decoders of '", saes.front()->name, "' ",
                      at::IntArrayRef(first), " and '", sae->name, "' ", at::IntArrayRef(shape),
                      " differ in width"));
    }
    if (!options_.reinitialise) continue;
    static_cast<void>(target_rate(*sae));
    if (dynamic_cast<const Reinitialisable*>(sae->sae.get()) == nullptr) {
      throw Error(cat("mutual_features: SAE '", sae->name, "' cannot be drawn anew"))
          .with_help("set reinitialise = false");
    }
  }
}

double MutualFeatures::target_rate(const TrainedSae& sae) const {
  if (options_.target_rate) return *options_.target_rate;
  if (!sae.spec.max_active) {
    throw Error(cat("mutual_features: SAE '", sae.name,
                    "' has no fixed number of active latents from which to take target_rate"))
        .with_help("set target_rate, or reinitialise = false");
  }
  return static_cast<double>(*sae.spec.max_active) / static_cast<double>(sae.spec.latents);
}

void MutualFeatures::request_reinitialisations(const TrainStep& step) {
  for (std::int64_t i = 0; i < step.saes(); ++i) {
    const Codes& codes = step.codes(i);
    const at::Tensor rates =
        codes.firing_counts().to(at::kDouble) / static_cast<double>(codes.rows());
    if (reinit_score(rates, target_rate(step.sae(i))) <= options_.reinit_threshold) continue;
    step.reinitialise(i, at::Tensor());
    std::erase_if(assignments_, [&](const auto& entry) {
      return entry.first.first == i || entry.first.second == i;
    });
  }
}

at::Tensor MutualFeatures::disagreement(const Pair& pair, const at::Tensor& a, const at::Tensor& b,
                                        bool solve) {
  const bool turned = a.size(0) > b.size(0);
  const at::Tensor& small = turned ? b : a;
  const at::Tensor& large = turned ? a : b;
  auto found = assignments_.find(pair);
  if (found != assignments_.end() && found->second.numel() != small.size(0)) {
    throw Error(
        ErrorKind::data,
        cat("mutual_features: the restored assignment of SAEs ", pair.first, " and ", pair.second,
            " has ", found->second.numel(), " rows, the smaller dictionary has ", small.size(0)));
  }
  if (solve || found == assignments_.end()) {
    const c10::AutoGradMode no_grad(false);
    const at::Tensor assignment = ops::assign_maximum(at::mm(small.detach(), large.detach().t()));
    found = assignments_.insert_or_assign(pair, assignment.to(small.device())).first;
  }
  return 1 - (small * large.index_select(0, found->second)).sum(1).mean();
}

void MutualFeatures::refuse_equal_starts(const TrainStep& step) {
  for (std::int64_t a = 0; a < step.saes(); ++a) {
    for (std::int64_t b = a + 1; b < step.saes(); ++b) {
      const at::Tensor& one = step.parameter(a, Role::decoder);
      const at::Tensor& other = step.parameter(b, Role::decoder);
      const std::int64_t shared = std::min(one.size(0), other.size(0));
      if (!at::equal(one.slice(0, 0, shared), other.slice(0, 0, shared))) continue;
      throw Error(cat("mutual_features: '", step.sae(a).name, "' and '", step.sae(b).name,
                      "' start from the same weights; give them different seeds"))
          .with_help("write `seed = 1` into one's [sae] table and `seed = 2` into the other's");
    }
  }
}

at::Tensor MutualFeatures::penalty(const TrainStep& step) {
  std::vector<at::Tensor> rows;
  for (std::int64_t i = 0; i < step.saes(); ++i) {
    rows.push_back(unit_rows(step.parameter(i, Role::decoder)));
  }
  if (step.step() == 0) refuse_equal_starts(step);
  const bool solve = step.step() % options_.assign_every == 0;
  at::Tensor total;
  for (std::size_t a = 0; a < rows.size(); ++a) {
    for (std::size_t b = a + 1; b < rows.size(); ++b) {
      const at::Tensor term = disagreement(
          {static_cast<std::int64_t>(a), static_cast<std::int64_t>(b)}, rows[a], rows[b], solve);
      total = total.defined() ? total + term : term;
    }
  }
  if (options_.reinitialise) request_reinitialisations(step);
  const double pairs = static_cast<double>(rows.size() * (rows.size() - 1)) / 2;
  return total * (ramp_weight(step.step(), options_.ramp) / pairs);
}

State MutualFeatures::save() const {
  State state;
  for (const auto& [pair, assignment] : assignments_) {
    state.tensors.set(cat("assignment.", pair.first, ".", pair.second), assignment.clone());
  }
  return state;
}

void MutualFeatures::load(const State& state) {
  std::map<Pair, at::Tensor> loaded;
  for (const auto& [name, tensor] : state.tensors) {
    Pair pair;
    char rest = 0;
    if (std::sscanf(name.c_str(), "assignment.%ld.%ld%c", &pair.first, &pair.second, &rest) != 2 ||
        tensor.dim() != 1 || tensor.scalar_type() != at::kLong) {
      throw Error(ErrorKind::data, cat("mutual_features: '", name, "' ", tensor.sizes(),
                                       " is not the assignment of a pair of SAEs"));
    }
    loaded[pair] = tensor.clone();
  }
  assignments_ = std::move(loaded);
}

}  // namespace saffron::plugins
