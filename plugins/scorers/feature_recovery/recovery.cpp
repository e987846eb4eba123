#include "recovery.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <array>
#include <cmath>
#include <utility>

namespace saffron::plugins {
namespace {

const at::Tensor& decoder_of(const TrainedSae& sae) {
  for (const ParameterSpec& spec : sae.spec.parameters) {
    if (spec.role == Role::decoder) return sae.parameters[spec.name];
  }
  throw Error(cat("feature_recovery: SAE '", sae.name,
                  "' has no parameter of role decoder to compare with the planted features"));
}

std::int64_t total(const at::Tensor& counts) { return counts.sum().item<std::int64_t>(); }

// The counts by name, for saving.
template <class Detection>
auto named_counts(Detection& counts) {
  return std::array{std::pair{"true_positive", &counts.true_positive},
                    std::pair{"fired", &counts.fired}, std::pair{"present", &counts.present}};
}

}  // namespace

Recovery::Recovery(const TrainedSae& sae, const at::Tensor& features) : name_(sae.name) {
  const at::Tensor& decoder = decoder_of(sae);
  if (decoder.dim() != 2 || decoder.size(1) != features.size(1)) {
    throw Error(cat("feature_recovery: the decoder of '", sae.name, "' ", decoder.sizes(),
                    " and the planted features ", features.sizes(), " differ in width"));
  }
  const at::Tensor cosines = metrics::cosines(decoder, features);
  best_of_latents_ = metrics::best_of_rows(cosines).cosine;
  best_of_features_ = metrics::best_of_rows(cosines.t()).cosine;
  partner_ = metrics::best_of_rows(cosines.abs()).partner;
  matched_ = metrics::match_pairs(cosines).cosine;
  matched_absolute_ = metrics::match_pairs(cosines.abs()).cosine;
  for (auto& [name, count] : named_counts(counts_)) {
    *count = at::zeros({decoder.size(0)}, at::TensorOptions().dtype(at::kLong));
  }
}

void Recovery::add(const std::vector<Codes>& codes, const at::Tensor& coefficients) {
  if (codes.size() != 1) {
    throw Error(cat("feature_recovery: SAE '", name_, "' has ", codes.size(),
                    " code spaces; which of them stands for the features is not known"));
  }
  const metrics::Detection batch = metrics::count_detections(codes[0], coefficients, partner_);
  counts_.true_positive += batch.true_positive;
  counts_.fired += batch.fired;
  counts_.present += batch.present;
  rows_ += coefficients.size(0);
  active_ += total(coefficients != 0);
}

void Recovery::merge(const Recovery& other) {
  counts_.true_positive += other.counts_.true_positive;
  counts_.fired += other.counts_.fired;
  counts_.present += other.counts_.present;
  rows_ += other.rows_;
  active_ += other.active_;
}

void Recovery::save(Tensors& out, const std::string& prefix) const {
  for (const auto& [name, count] : named_counts(counts_)) out.set(prefix + name, count->clone());
  out.set(prefix + "rows", at::tensor({rows_, active_}));
}

void Recovery::load(const Tensors& in, const std::string& prefix) {
  for (auto& [name, count] : named_counts(counts_)) {
    const at::Tensor& saved = in[prefix + name];
    if (saved.sizes() != count->sizes() || saved.scalar_type() != at::kLong) {
      throw Error(ErrorKind::data, cat("feature_recovery: saved ", prefix, name, " ", saved.sizes(),
                                       " is not for ", count->size(0), " latents"));
    }
    *count = saved.clone();
  }
  rows_ = in[prefix + "rows"][0].item<std::int64_t>();
  active_ = in[prefix + "rows"][1].item<std::int64_t>();
}

std::vector<Metric> Recovery::metrics(double threshold) const {
  std::vector<Metric> out;
  const auto add = [&](const char* key, double value, std::string definition, const char* unit,
                       const char* range, Better better, std::string undefined) {
    out.push_back({.key = key,
                   .value = value,
                   .undefined = std::move(undefined),
                   .definition = std::move(definition),
                   .unit = unit,
                   .range = range,
                   .better = better,
                   .subject = name_});
  };
  const auto similarity = [&](const char* key, const at::Tensor& values, const char* definition,
                              const char* range) {
    add(key, values.mean().item<double>(), definition, "", range, Better::higher, "");
  };
  similarity("mmcs", best_of_features_,
             "mean over planted features of the largest cosine with a decoder row", "[-1, 1]");
  similarity("mmcs_dictionary", best_of_latents_,
             "mean over decoder rows of the largest cosine with a planted feature", "[-1, 1]");
  similarity("mcc", matched_absolute_,
             "mean |cosine| of pairs under the one-to-one assignment that maximises its sum (the "
             "smaller of the two sides is matched in full)",
             "[0, 1]");
  similarity("hungarian_mmcs", matched_,
             "mean cosine of pairs under the one-to-one assignment that maximises its sum",
             "[-1, 1]");
  add("recovered_share", metrics::share_above(best_of_features_, threshold),
      cat("share of planted features whose largest cosine with a decoder row is above ", threshold),
      "", "[0, 1]", Better::higher, "");
  add("uniqueness", metrics::uniqueness(partner_),
      "number of distinct features among the latents' nearest (largest |cosine|) / number of "
      "latents",
      "", "(0, 1]", Better::higher, "");

  const double latents = static_cast<double>(partner_.numel());
  const double rows = static_cast<double>(rows_);
  const std::string nothing = rows_ > 0 ? "" : "no row was scored";
  const auto scores = metrics::detection_scores(counts_);
  const at::Tensor alive = counts_.fired > 0;
  const std::int64_t living = total(alive);
  const auto detection = [&](const char* key, double value, const char* definition) {
    add(key, value, definition, "", "[0, 1]", Better::higher, nothing);
  };
  detection(
      "f1", scores.f1.mean().item<double>(),
      "mean over all latents of 2 TP / (fired + present): a latent detects the feature with the "
      "largest |cosine|, fires and is present where not 0; dead latents score 0");
  detection("precision", scores.precision.mean().item<double>(),
            "mean over all latents of TP / fired, as in f1; dead latents score 0");
  detection(
      "recall", scores.recall.mean().item<double>(),
      "mean over all latents of TP / present, as in f1; 0 where the feature never was present");
  add("f1_alive", living > 0 ? scores.f1.masked_select(alive).mean().item<double>() : std::nan(""),
      "f1 averaged over the latents that fired", "", "[0, 1]", Better::higher,
      rows_ == 0    ? nothing
      : living == 0 ? "no latent fired"
                    : "");
  add("l0", static_cast<double>(total(counts_.fired)) / rows,
      "mean over rows of the number of latents that are not 0", "latents", "[0, F]",
      Better::neither, nothing);
  add("l0_planted", static_cast<double>(active_) / rows,
      "mean over rows of the number of planted features that are present", "features", "[0, G]",
      Better::neither, nothing);
  add("dead_share", 1 - static_cast<double>(living) / latents,
      "share of latents that are 0 in every row scored; rows_scored says how many rows that are",
      "", "[0, 1]", Better::lower, nothing);
  add("rows_scored", rows, "rows that these figures are about", "rows", "[0, inf)", Better::neither,
      "");
  return out;
}

}  // namespace saffron::plugins
