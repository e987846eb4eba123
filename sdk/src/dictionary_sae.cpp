#include <saffron/dictionary_sae.h>
#include <saffron/ops.h>
#include <saffron/streams.h>
#include <saffron/weighted_penalty.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace saffron::inline sdk_v1 {
namespace {

constexpr double kRowEpsilon = 1e-8;

// "12", "12 + 7"
std::string in_words(const std::vector<std::int64_t>& widths) {
  std::string out;
  for (const std::int64_t width : widths) out += cat(out.empty() ? "" : " + ", width);
  return out;
}

}  // namespace

DictionarySae::DictionarySae(const DictionaryOptions& dictionary, const DeadLatentOptions& dead)
    : dictionary_(dictionary), dead_(dead) {}
DictionarySae::~DictionarySae() = default;

SaeSpec DictionarySae::declare(const SaeShape& shape) {
  if (shape.reads.empty() || shape.predicts.empty()) {
    throw Error("this SAE reads at least one stream and predicts at least one");
  }
  const DictionaryOptions& o = dictionary_;
  read_widths_ = widths_of(shape.reads);
  predicted_widths_ = widths_of(shape.predicts);
  d_in_ = std::accumulate(read_widths_.begin(), read_widths_.end(), std::int64_t{0});
  d_out_ = std::accumulate(predicted_widths_.begin(), predicted_widths_.end(), std::int64_t{0});
  autoencoder_ = same_streams(shape.reads, shape.predicts);
  check_streams();
  if (read_widths_ != predicted_widths_ && (o.tied || o.W_enc_init == "decoder")) {
    throw Error(cat("the encoder cannot be the decoder's transpose between widths ",
                    in_words(read_widths_), " and ", in_words(predicted_widths_)))
        .with_help("set W_enc_init = \"random\" and tied = false");
  }
  if (!autoencoder_ && o.standardise) {
    throw Error("standardise undoes what it took from a row, so that it needs to predict that row");
  }
  if (read_widths_.size() != 1 && o.standardise) {
    throw Error(cat("standardise is for rows of one stream, not of ", read_widths_.size()));
  }
  if (o.frozen != "none" && dead_.resamples()) {
    throw Error(
        cat("dead = \"resample\" draws weights anew that frozen = \"", o.frozen, "\" keeps"))
        .with_help("choose another way with dead latents, or frozen = \"none\"");
  }
  SaeSpec spec;
  spec.latents = o.width;
  if (!o.tied) {
    spec.parameters.push_back({.name = "W_enc",
                               .shape = {o.width, d_in_},
                               .role = Role::encoder,
                               .per_latent = true,
                               .frozen = o.frozen == "encoder"});
  }
  spec.parameters.push_back({.name = "b_enc",
                             .shape = {o.width},
                             .role = Role::encoder_bias,
                             .per_latent = true,
                             .frozen = !o.encoder_bias});
  spec.parameters.push_back(
      {.name = "W_dec",
       .shape = {o.width, d_out_},
       .role = Role::decoder,
       .constraint = o.unit_decoder ? Constraint::unit_rows : Constraint::none,
       .per_latent = true,
       .frozen = o.frozen == "decoder"});
  spec.parameters.push_back(
      {.name = "b_dec", .shape = {d_out_}, .role = Role::decoder_bias, .frozen = !o.decoder_bias});
  if (o.skip) {
    spec.parameters.push_back({.name = "W_skip", .shape = {d_out_, d_in_}, .role = Role::skip});
  }
  if (softly_frozen()) {
    spec.buffers.push_back({.name = "W_dec_start", .shape = {o.width, d_out_}, .per_latent = true});
  }
  dead_.declare(spec);
  declare_own(spec);
  return spec;
}

void DictionarySae::bind(const Tensors& parameters, const Tensors& buffers) {
  if (!dictionary_.tied) W_enc_ = parameters["W_enc"];
  b_enc_ = parameters["b_enc"];
  W_dec_ = parameters["W_dec"];
  b_dec_ = parameters["b_dec"];
  if (dictionary_.skip) W_skip_ = parameters["W_skip"];
  if (softly_frozen()) W_dec_start_ = buffers["W_dec_start"];
  dead_.bind(buffers);
  bind_own(parameters, buffers);
}

DictionarySae::Prepared DictionarySae::prepare(const at::Tensor& x) const {
  Prepared out{x, {}, {}};
  if (dictionary_.standardise) {
    out.shift = x.mean(at::IntArrayRef{1}, true);
    const at::Tensor moved = x - out.shift;
    out.scale = moved.square().mean(at::IntArrayRef{1}, true).sqrt() + kRowEpsilon;
    out.rows = moved / out.scale;
  }
  if (dictionary_.skip) {
    at::Tensor skipped = at::mm(out.rows, W_skip_.t());
    if (out.scale.defined()) skipped = skipped * out.scale + out.shift;
    out.shift = skipped;
  }
  if (subtracts_b_dec()) out.rows = out.rows - b_dec_;
  return out;
}

std::vector<Codes> DictionarySae::encode(const std::vector<at::Tensor>& inputs) const {
  const c10::AutoGradMode no_grad(false);
  const Prepared prepared = prepare(side_by_side(inputs));
  return {codes_of(prepared.rows).with_row_normalisation(prepared.scale, prepared.shift)};
}

std::vector<at::Tensor> DictionarySae::decode(const std::vector<Codes>& codes) const {
  const c10::AutoGradMode no_grad(false);
  const Codes& f = codes.at(0);
  return apart(f.restore_rows(ops::decode(f, W_dec_, b_dec_)), predicted_widths_);
}

Codes DictionarySae::step_codes(const at::Tensor& rows, const SaeInput&) { return codes_of(rows); }
at::Tensor DictionarySae::step_decode(const Codes& codes) {
  return ops::decode(codes, W_dec_, b_dec_);
}
void DictionarySae::check_streams() const {}
void DictionarySae::bind_own(const Tensors&, const Tensors&) {}
void DictionarySae::initialise_own(const at::Tensor&) {}
void DictionarySae::own_terms(const SaeInput&, Forward&) {}
void DictionarySae::own_after_step(const SaeInput&, const Codes&) {}
std::vector<DeadLatents::Level> DictionarySae::dead_levels() const { return {}; }
DeadLatents::Choice DictionarySae::dead_choice() const { return {}; }

Forward DictionarySae::forward(const SaeInput& input) {
  const c10::AutoGradMode no_grad(false);
  const at::Tensor x = side_by_side(input.inputs);
  step_ = {};  // the last step's rows would be seen in this one's peak memory
  target_.reset();
  shown_ = {};
  step_ = prepare(x);
  Forward out;
  out.codes = {step_codes(step_.rows, input).with_row_normalisation(step_.scale, step_.shift)};
  const at::Tensor target =
      same_tensors(input.inputs, input.targets) ? x : side_by_side(input.targets);
  const at::Tensor decoded = step_decode(out.codes[0]);
  out.reconstructions = apart(out.codes[0].restore_rows(decoded), predicted_widths_);
  target_ = step_.shift.defined() ? in_decoder_space(target - step_.shift) : target;
  own_terms(input, out);
  shown_.rows = step_.rows;
  shown_.row_scale = step_.scale;
  if (dead_.needs_error(input.rows_seen)) {
    shown_.target = in_loss_space(target_ - b_dec_);
    shown_.e = in_loss_space(target_ - decoded);
    shown_.levels = dead_levels();
    for (DeadLatents::Level& level : shown_.levels) level.e = in_loss_space(level.e);
    shown_.choice = dead_choice();
  }
  if (dead_.resamples()) {
    const at::Tensor offset = b_dec_.clone();  // the step moves it
    if (subtracts_b_dec()) shown_.rows_offset = offset;
    shown_.target_offset = in_loss_space(offset);
  }
  dead_.forward(input, weights(), shown_, out);
  return out;
}

// In place: each further [B, d_out] would be seen in a step's peak memory.
DictionarySae::OwnError DictionarySae::own_error(at::Tensor decoded, double weight) const {
  at::Tensor miss = in_loss_space(decoded.sub_(target_));
  const at::Tensor value = miss.norm(2, at::IntArrayRef{1}).square().mean();
  miss.mul_(2 * weight / static_cast<double>(miss.size(0)));
  return {.value = value, .upstream = in_loss_space(miss)};
}

at::Tensor DictionarySae::in_loss_space(const at::Tensor& decoded) const {
  return step_.scale.defined() ? decoded * step_.scale : decoded;
}

at::Tensor DictionarySae::in_decoder_space(const at::Tensor& error) const {
  return step_.scale.defined() ? error / step_.scale : error;
}

at::Tensor DictionarySae::decoder_backward(const SaeInput&, const Codes& codes, const at::Tensor& g,
                                           Gradients& gradients) {
  if (!g.defined()) return {};
  gradients["W_dec"].factored.push_back({codes, g});
  if (dictionary_.decoder_bias) gradients["b_dec"].add_dense(g.sum(0));
  return ops::code_gradient(codes, W_dec_, g);
}

at::Tensor DictionarySae::encoder_backward(const SaeInput&, const Codes& codes,
                                           const at::Tensor& df, Gradients&) {
  return df.defined() ? df * codes.values().gt(0) : at::Tensor();
}

std::vector<std::string> DictionarySae::encoder_parameters() const {
  std::vector<std::string> names = {dictionary_.tied ? "W_dec" : "W_enc", "b_enc"};
  if (subtracts_b_dec()) names.emplace_back("b_dec");
  return names;
}

at::Tensor DictionarySae::contribution_scale() const {
  return selection_scale(DecoderNorm::concatenated, W_dec_, predicted_widths_);
}

void DictionarySae::linear_backward(const Codes& support, const at::Tensor& da,
                                    Gradients& gradients) const {
  gradients[dictionary_.tied ? "W_dec" : "W_enc"].factored.push_back(
      {support.with_values(da), step_.rows});
  bias_backward(ops::sum_by_latent(support.with_values(da)), gradients);
}

void DictionarySae::dense_backward(const at::Tensor& latents, const at::Tensor& da,
                                   Gradients& gradients) const {
  const at::Tensor zeros = at::zeros(W_enc().sizes(), da.options());
  gradients[dictionary_.tied ? "W_dec" : "W_enc"].add_dense(
      zeros.index_add(0, latents, at::mm(da.t(), step_.rows)));
  bias_backward(at::zeros({dictionary_.width}, da.options()).index_add(0, latents, da.sum(0)),
                gradients);
}

void DictionarySae::bias_backward(const at::Tensor& by_latent, Gradients& gradients) const {
  gradients["b_enc"].add_dense(by_latent);
  if (subtracts_b_dec()) {
    gradients["b_dec"].add_dense(-at::mv(W_enc().t(), by_latent));
  }
}

void DictionarySae::backward(const SaeInput& input, const Forward& forward,
                             const Upstream& upstream, Gradients& gradients) {
  const c10::AutoGradMode no_grad(false);
  const Codes& codes = forward.codes.at(0);
  at::Tensor g = side_by_side(upstream.reconstructions, predicted_widths_);
  if (g.defined()) {
    g = in_loss_space(g);
    if (dictionary_.skip) {
      const at::Tensor x = subtracts_b_dec() ? step_.rows + b_dec_ : step_.rows;
      gradients["W_skip"].add_dense(at::mm(g.t(), x));
    }
  }
  at::Tensor df = upstream.codes.at(0);
  const at::Tensor from_decoder = decoder_backward(input, codes, g, gradients);
  if (from_decoder.defined()) df = df.defined() ? df + from_decoder : from_decoder;
  const at::Tensor da = encoder_backward(input, codes, df, gradients);
  if (da.defined()) linear_backward(codes, da, gradients);
  const at::Tensor by_latent = dead_.backward(weights(), step_.rows, gradients);
  if (by_latent.defined()) bias_backward(by_latent, gradients);
}

void DictionarySae::after_step(const SaeInput& input, const Forward& forward) {
  const Codes& codes = forward.codes.at(0);
  hold_near_start();
  own_after_step(input, codes);
  resampled_ = dead_.after_step(input, codes, weights(), shown_, input.random.fork("resample"));
  if (resampled_.defined()) initialise_own(resampled_);
}

at::Tensor DictionarySae::take_resampled() { return std::exchange(resampled_, at::Tensor()); }

DeadLatents::Weights DictionarySae::weights() const {
  return {W_enc(), b_enc_, W_dec_, dictionary_.tied ? "W_dec" : "W_enc", "b_enc", "W_dec"};
}

CanonicalSae DictionarySae::canonical() const {
  if (read_widths_.size() != 1 || predicted_widths_.size() != 1) {
    throw Error(cat("an SAE that reads ", read_widths_.size(), " streams and predicts ",
                    predicted_widths_.size(),
                    " has no canonical weights, which are those of one stream"))
        .with_help(
            "read its .safetensors in the run's saes/ folder: columns of the streams stand "
            "side by side");
  }
  if (dictionary_.standardise) {
    throw Error("an SAE that standardises its rows has no canonical weights")
        .with_help("train with standardise = false to export it");
  }
  CanonicalSae out;
  out.W_enc = W_enc().t().contiguous();
  out.b_enc = b_enc_.clone();
  out.W_dec = W_dec_.clone();
  out.b_dec = b_dec_.clone();
  if (dictionary_.skip) out.W_skip = W_skip_.t().contiguous();
  out.subtract_b_dec = subtracts_b_dec();
  canonical_own(out);
  return out;
}

}  // namespace saffron::inline sdk_v1
