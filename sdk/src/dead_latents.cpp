#include <saffron/dead_latents.h>
#include <saffron/ops.h>
#include <saffron/weighted_penalty.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace saffron::inline sdk_v1 {
namespace {

constexpr double kNormEpsilon = 1e-6;  // beside the norms that ghost terms divide by

// Above this share of entries a dense product over the dead latents is the cheaper one.
constexpr std::int64_t kDenseShare = 8;

// mean_b ||y_b - mean y||^2
double variance(const at::Tensor& y) {
  return (y - y.mean(0)).square().sum(1).mean().item<double>();
}

at::Tensor scaled(const at::Tensor& rows, const at::Tensor& scale) {
  return scale.defined() ? rows * scale : rows;
}

double squared_error(const at::Tensor& e) { return e.square().sum(1).mean().item<double>(); }

// The rows `latents` of a gradient [F, d], added.
void add_rows(Gradient& gradient, const at::Tensor& parameter, const at::Tensor& latents,
              const at::Tensor& rows) {
  if (!gradient.dense.defined()) gradient.dense = at::zeros(parameter.sizes(), parameter.options());
  gradient.dense = gradient.dense.index_add(0, latents, rows);
}

}  // namespace

Schema<DeadLatentOptions> DeadLatentOptions::schema() {
  using O = DeadLatentOptions;
  return Schema<O>{}
      .choice("dead", &O::dead, "what is done about latents that no longer fire",
              {{"none", Method::none},
               {"auxk", Method::auxk},
               {"resample", Method::resample},
               {"ghost", Method::ghost}})
      .param("dead_after", &O::dead_after,
             "rows without firing after which a latent counts as dead", at_least(1), unit("rows"))
      .param("aux_coef", &O::aux_coef, "auxk: weight of the auxiliary loss; 0 switches it off",
             non_negative())
      .param("aux_k", &O::aux_k, "auxk: dead latents that the auxiliary loss uses a row",
             at_least(1))
      .param("aux_scale", &O::aux_scale,
             "auxk: scale of the auxiliary loss beside the squared error",
             one_of({"relative", "raw", "residual_variance"}))
      .param("aux_in_proportion", &O::aux_in_proportion,
             "auxk: less weight while fewer than aux_k latents are dead, in proportion")
      .param("aux_rectified", &O::aux_rectified,
             "auxk: negative pre-activations count as 0; else as they are")
      .param("resample_every", &O::resample_every, "resample: rows between two times", at_least(1),
             unit("rows"))
      .param("resample_scale", &O::resample_scale,
             "resample: norm of a new encoder row beside the mean of the living ones", positive())
      .param("resample_times", &O::resample_times, "resample: how often at most; 0: no limit",
             non_negative())
      .param("resample_odds", &O::resample_odds,
             "resample: what a row is drawn in proportion to, the square of its squared error or "
             "the error's norm",
             one_of({"squared_loss", "error_norm"}))
      .param("resample_centred", &O::resample_centred,
             "resample: latents take rows less b_dec; else rows as they were read")
      .param("resample_unit", &O::resample_unit,
             "resample: an encoder takes its row's direction; else the row itself, so that "
             "resample_scale is a factor beside its norm")
      .param("resample_distinct", &O::resample_distinct,
             "resample: no row is drawn twice at one time, so that dead latents beyond a batch's "
             "rows wait for the next");
}

void DeadLatents::declare(SaeSpec& spec) const {
  spec.buffers.push_back({.name = "last_fired",
                          .shape = {spec.latents},
                          .dtype = at::kLong,
                          .merge = Merge::max,
                          .per_latent = true});
}

void DeadLatents::bind(const Tensors& buffers) { last_fired_ = buffers["last_fired"]; }

at::Tensor DeadLatents::dead(std::int64_t rows_seen) const {
  return last_fired_.lt(rows_seen - options_.dead_after);
}

void DeadLatents::forward(const SaeInput& input, const Weights& weights, const Step& step,
                          Forward& forward) {
  using Method = DeadLatentOptions::Method;
  parts_.clear();
  const bool ghost_term = options_.dead == Method::ghost;
  if (!ghost_term && !(options_.dead == Method::auxk && options_.aux_coef > 0)) return;
  if (!needs_error(input.rows_seen)) return;
  if (ghost_term) {
    ghost(input, weights, step, forward);
  } else {
    auxk(input, weights, step, forward);
  }
}

void DeadLatents::auxk(const SaeInput& input, const Weights& weights, const Step& step,
                       Forward& forward) {
  std::vector<Level> levels = step.levels;
  if (levels.empty()) levels.push_back({weights.W_enc.size(0), step.e});
  std::int64_t begin = 0;
  double weight = 0;
  at::Tensor sum;
  for (const Level& level : levels) {
    std::optional<Part> part = auxk_part(input, weights, step, begin, level);
    begin = level.end;
    if (!part) continue;
    weight += part->weight;
    sum = sum.defined() ? sum + part->miss * part->weight : part->miss * part->weight;
    parts_.push_back(std::move(*part));
  }
  // One term, whatever the levels: their mean, weighted as they count.
  if (!parts_.empty()) forward.terms.push_back({"auxk", sum / weight, weight});
}

std::optional<DeadLatents::Part> DeadLatents::auxk_part(const SaeInput& input,
                                                        const Weights& weights, const Step& step,
                                                        std::int64_t begin,
                                                        const Level& level) const {
  Part part;
  part.latents = dead(input.rows_seen).slice(0, begin, level.end).nonzero().flatten() + begin;
  const std::int64_t count = part.latents.size(0), k = std::min(options_.aux_k, count);
  if (count == 0) return {};
  double scale = 1;
  if (options_.aux_scale != "raw") {
    const double residual = variance(level.e);
    if (residual == 0) return {};
    scale = (options_.aux_scale == "relative" ? variance(step.target) : 1.0) / residual;
  }
  if (options_.aux_in_proportion) {
    scale *= std::min(1.0, static_cast<double>(count) / static_cast<double>(options_.aux_k));
  }
  const at::Tensor W_enc = weights.W_enc.index_select(0, part.latents);
  const at::Tensor W_dec = weights.W_dec.index_select(0, part.latents);
  part.rectified = options_.aux_rectified && !step.choice.by_magnitude;
  const ops::Keep keep = step.choice.by_magnitude ? ops::Keep::magnitude
                         : part.rectified         ? ops::Keep::rectified
                                                  : ops::Keep::signed_values;
  const at::Tensor& by = step.choice.scale;
  part.codes = weighted_topk(step.rows, W_enc, weights.b_enc.index_select(0, part.latents), k, keep,
                             by.defined() ? by.index_select(0, part.latents) : by);
  if (k * kDenseShare >= count) part.codes = Codes::dense(part.codes.to_dense());
  const at::Tensor miss = scaled(ops::decode(part.codes, W_dec, {}), step.row_scale) - level.e;
  part.miss = miss.square().sum(1).mean();
  part.weight = options_.aux_coef * scale / input.objective_scale;
  part.upstream =
      scaled(miss, step.row_scale) * (2 * part.weight / static_cast<double>(miss.size(0)));
  return part;
}

void DeadLatents::ghost(const SaeInput& input, const Weights& weights, const Step& step,
                        Forward& forward) {
  Part part;
  part.latents = dead(input.rows_seen).nonzero().flatten();
  if (part.latents.size(0) == 0) return;
  const at::Tensor& e = step.e;
  const at::Tensor a = at::mm(step.rows, weights.W_enc.index_select(0, part.latents).t()) +
                       weights.b_enc.index_select(0, part.latents);
  const at::Tensor f = (a - a.amax(at::IntArrayRef{1}, true)).exp();
  const at::Tensor out = at::mm(f, weights.W_dec.index_select(0, part.latents));
  const at::Tensor row_scale = e.norm(2, at::IntArrayRef{1}, true) /
                               (out.norm(2, at::IntArrayRef{1}, true) * 2 + kNormEpsilon);
  const at::Tensor miss = out * row_scale - e;
  part.miss = miss.square().sum(1).mean();
  part.weight =
      squared_error(e) / (part.miss.item<double>() + kNormEpsilon) / input.objective_scale;
  part.codes = Codes::dense(f);
  part.upstream = miss * row_scale * (2 * part.weight / static_cast<double>(miss.size(0)));
  forward.terms.push_back({"ghost", part.miss, part.weight});
  parts_.push_back(std::move(part));
}

at::Tensor DeadLatents::backward(const Weights& weights, const at::Tensor& rows,
                                 Gradients& gradients) const {
  at::Tensor by_latent;
  for (const Part& part : parts_) {
    const at::Tensor own = backward(part, weights, rows, gradients);
    by_latent = by_latent.defined() ? by_latent + own : own;
  }
  return by_latent;
}

at::Tensor DeadLatents::backward(const Part& part, const Weights& weights, const at::Tensor& rows,
                                 Gradients& gradients) const {
  const Codes& codes = part.codes;
  const at::Tensor W_dec = weights.W_dec.index_select(0, part.latents);
  const at::Tensor df = ops::code_gradient(codes, W_dec, part.upstream);
  const bool ghosts = options_.dead == DeadLatentOptions::Method::ghost;
  const at::Tensor da = ghosts                                   ? df * codes.values()
                        : part.rectified                         ? df * codes.values().gt(0)
                        : codes.layout() == Codes::Layout::dense ? df * codes.values().ne(0)
                                                                 : df;
  const at::Tensor zeros = at::zeros({weights.W_enc.size(0)}, da.options());
  if (codes.layout() == Codes::Layout::dense) {
    add_rows(gradients[weights.W_dec_name], weights.W_dec, part.latents,
             at::mm(codes.values().t(), part.upstream));
    add_rows(gradients[weights.W_enc_name], weights.W_enc, part.latents, at::mm(da.t(), rows));
    return zeros.index_add(0, part.latents, da.sum(0));
  }
  const at::Tensor of_all =
      part.latents.index_select(0, codes.gather_index().flatten()).view(da.sizes()).to(at::kInt);
  const Codes support = Codes::topk(codes.values(), of_all, weights.W_dec.size(0));
  gradients[weights.W_dec_name].factored.push_back({support, part.upstream});
  gradients[weights.W_enc_name].factored.push_back({support.with_values(da), rows});
  return zeros.index_add(0, support.gather_index().flatten(), da.flatten());
}

at::Tensor DeadLatents::after_step(const SaeInput& input, const Codes& codes,
                                   const Weights& weights, const Step& step, Random random) {
  rows_seen_ = input.rows_seen + step.rows.size(0);
  last_fired_.masked_fill_(codes.firing_counts().gt(0), rows_seen_);
  if (options_.dead != DeadLatentOptions::Method::resample) return {};
  const std::int64_t times = rows_seen_ / options_.resample_every;
  if (times == input.rows_seen / options_.resample_every) return {};
  if (options_.resample_times > 0 && times > options_.resample_times) return {};
  const at::Tensor latents = dead(rows_seen_).nonzero().flatten();
  if (latents.size(0) == 0) return {};
  return resample(latents, weights, step, random);
}

at::Tensor DeadLatents::drawn_rows(const at::Tensor& odds, std::int64_t latents,
                                   const Random& random) const {
  if (options_.resample_distinct) {
    // The least of exponential times, whose rates are the odds (Efraimidis, Spirakis 2006).
    const auto possible = odds.gt(0).sum().item<std::int64_t>();
    const at::Tensor uniform = random.uniform_rows(0, odds.size(0), 1, at::kDouble).flatten();
    const at::Tensor times = -at::log1p(-uniform) / odds;
    return times.masked_fill(odds.le(0), std::numeric_limits<double>::infinity())
        .argsort()
        .slice(0, 0, std::min(latents, possible));
  }
  const at::Tensor upto = odds.cumsum(0);
  const double total = upto[-1].item<double>();
  if (!(total > 0)) return at::empty({0}, at::kLong);
  const at::Tensor drawn = random.uniform_rows(0, latents, 1, at::kDouble).flatten() * total;
  return at::searchsorted(upto, drawn, false, true).clamp_max(odds.size(0) - 1);
}

at::Tensor DeadLatents::resample(const at::Tensor& dead_ones, const Weights& weights,
                                 const Step& step, const Random& random) {
  const bool tied = weights.W_enc_name == weights.W_dec_name;
  at::Tensor rows = step.rows, target = step.target;
  if (!options_.resample_centred) {
    if (step.rows_offset.defined()) rows = rows + step.rows_offset;
    if (step.target_offset.defined()) target = target + step.target_offset;
  }
  const at::Tensor read = rows.norm(2, at::IntArrayRef{1});
  const at::Tensor predicted = target.norm(2, at::IntArrayRef{1});
  const at::Tensor loss = step.e.to(at::kDouble).square().sum(1);
  const at::Tensor weight = options_.resample_odds == "error_norm" ? loss.sqrt() : loss.square();
  const at::Tensor chosen =
      drawn_rows(weight * read.gt(0) * predicted.gt(0), dead_ones.size(0), random);
  if (chosen.size(0) == 0) return {};
  const at::Tensor latents = dead_ones.slice(0, 0, chosen.size(0));
  const auto directions = [&](const at::Tensor& of, const at::Tensor& norms) {
    return of.index_select(0, chosen) / norms.index_select(0, chosen).unsqueeze(1);
  };

  const at::Tensor alive = dead(rows_seen_).logical_not().nonzero().flatten();
  const at::Tensor models =
      alive.size(0) > 0 ? weights.W_enc.index_select(0, alive) : weights.W_enc;
  const double size = models.norm(2, at::IntArrayRef{1}).mean().item<double>();
  at::Tensor W_enc = weights.W_enc, W_dec = weights.W_dec, b_enc = weights.b_enc;
  W_dec.index_copy_(0, latents, directions(target, predicted));
  if (!tied) {
    const at::Tensor own =
        options_.resample_unit ? directions(rows, read) : rows.index_select(0, chosen);
    W_enc.index_copy_(0, latents, own * (options_.resample_scale * size));
  }
  b_enc.index_fill_(0, latents, 0);
  forget(latents);
  return latents;
}

void DeadLatents::forget(const at::Tensor& latents) {
  if (latents.defined()) {
    last_fired_.index_fill_(0, latents, rows_seen_);
  } else {
    last_fired_.fill_(rows_seen_);
  }
}

}  // namespace saffron::inline sdk_v1
