#include <saffron/dictionary_sae.h>
#include <saffron/init.h>
#include <saffron/streams.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mv.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <cstddef>

// How a dictionary's parameters start, start again, and stay near where they did.

namespace saffron::inline sdk_v1 {
namespace {

constexpr double kSmallestNorm = 1e-8;  // that a row is divided by
// The part of a row across its start that is no rounding, as a share of its norm.
constexpr double kAcross = 1e-5;

}  // namespace

void DictionarySae::draw_decoder(const Random& random, at::Tensor W) const {
  init::fill_unit_rows(random, dictionary_.decoder_norm, W);
  size_parts(W);
}

// The part of each target, where there are several, gets decoder_norm.
void DictionarySae::size_parts(at::Tensor W) const {
  if (dictionary_.unit_decoder || predicted_widths_.size() == 1) return;
  for (at::Tensor part : apart(W, predicted_widths_)) {
    const at::Tensor norms = part.norm(2, at::IntArrayRef{1}, true);
    part.div_(norms.clamp_min(kSmallestNorm)).mul_(dictionary_.decoder_norm);
  }
}

at::Tensor DictionarySae::fresh_decoder(const Random& random) const {
  at::Tensor fresh = at::empty(W_dec_.sizes(), W_dec_.options());
  draw_decoder(random, fresh);
  return fresh;
}

void DictionarySae::initialise(const InitInput& init) {
  const DictionaryOptions& o = dictionary_;
  const auto reads = static_cast<std::ptrdiff_t>(read_widths_.size());
  // Rows as the encoder takes them, and as the decoder is to give them. Streams predicted stand behind
  // those read where they are others: they are neither standardised nor centred, nor go through W_skip.
  const auto read_rows = [&] {
    const auto& streams = init.sample().streams;
    return prepare(side_by_side({streams.begin(), streams.begin() + reads})).rows;
  };
  const auto predicted_rows = [&] {
    const auto& streams = init.sample().streams;
    const auto others = streams.begin() + reads;
    return others == streams.end() ? read_rows() : side_by_side({others, streams.end()});
  };
  b_dec_.zero_();
  if (o.decoder_bias && o.b_dec_init != "zero") {
    // Before b_dec holds anything, rows read are only standardised.
    b_dec_.copy_(init::centre(o.b_dec_init, predicted_rows()));
  }
  draw_decoder(init.random.fork("W_dec"), W_dec_);
  if (o.W_dec_init == "zero") W_dec_.zero_();
  if (o.W_dec_init == "data") {
    const at::Tensor y = autoencoder_ && o.pre_bias ? read_rows() : predicted_rows() - b_dec_;
    init::data_rows(init.random.fork("data"), y, o.decoder_norm, W_dec_);
    size_parts(W_dec_);
  }
  if (!o.tied) {
    if (o.W_enc_init == "decoder") {
      W_enc_.copy_(W_dec_);
    } else {
      init::fill_unit_rows(init.random.fork("W_enc"), 1, W_enc_);
    }
  }
  b_enc_.zero_();
  if (o.b_enc_init == "centred") b_enc_.copy_(-at::mv(W_enc(), read_rows().mean(0)));
  if (o.skip) W_skip_.zero_();
  note_start({});
  initialise_own({});
}

void DictionarySae::reinitialise(const at::Tensor& latents, Random random) {
  const at::Tensor fresh = fresh_decoder(random);
  const at::Tensor encoder = dictionary_.W_enc_init == "decoder"
                                 ? fresh
                                 : init::unit_rows(random.fork("W_enc"), W_enc_.size(0),
                                                   W_enc_.size(1), W_enc_.scalar_type());
  dead_.forget(latents);
  if (!latents.defined()) {
    W_dec_.copy_(fresh);
    if (!dictionary_.tied) W_enc_.copy_(encoder);
    b_enc_.zero_();
  } else {
    W_dec_.index_copy_(0, latents, fresh.index_select(0, latents));
    if (!dictionary_.tied) W_enc_.index_copy_(0, latents, encoder.index_select(0, latents));
    b_enc_.index_fill_(0, latents, 0);
  }
  note_start(latents);
  initialise_own(latents);
}

void DictionarySae::note_start(const at::Tensor& latents) {
  if (!softly_frozen()) return;
  const at::Tensor rows = latents.defined() ? W_dec_.index_select(0, latents) : W_dec_;
  const at::Tensor starts = rows / rows.norm(2, at::IntArrayRef{1}, true).clamp_min(kSmallestNorm);
  if (latents.defined()) {
    W_dec_start_.index_copy_(0, latents, starts.to(W_dec_start_.scalar_type()));
  } else {
    W_dec_start_.copy_(starts);
  }
}

void DictionarySae::hold_near_start() {
  if (!softly_frozen()) return;
  const c10::AutoGradMode no_grad(false);
  const double tau = dictionary_.decoder_cosine;
  const at::Tensor starts = W_dec_start_.to(W_dec_.scalar_type());
  const at::Tensor along = at::bmm(W_dec_.unsqueeze(1), starts.unsqueeze(2)).flatten();
  const at::Tensor norms = W_dec_.norm(2, at::IntArrayRef{1});
  const at::Tensor left = along.lt(norms * tau).nonzero().flatten();
  if (left.size(0) == 0) return;
  const auto rows_norm = [](const at::Tensor& w) { return w.norm(2, at::IntArrayRef{1}, true); };
  const auto without = [](const at::Tensor& w, const at::Tensor& unit) {
    return w - unit * (w * unit).sum(at::IntArrayRef{1}, true);
  };
  const at::Tensor norm = norms.index_select(0, left).unsqueeze(1);
  at::Tensor start = starts.index_select(0, left);
  start = start / rows_norm(start);
  // Twice: what is left of the start after one is rounding of the size of all of the row.
  const at::Tensor across = without(without(W_dec_.index_select(0, left), start), start);
  const at::Tensor size = rows_norm(across);
  const at::Tensor edge = start * tau + across * (std::sqrt(1 - tau * tau) / size);
  // A row straight against its start has no nearest one and returns to it.
  const at::Tensor held = edge.where(size.gt(norm * kAcross), start);
  W_dec_.index_copy_(0, left, held * norm);
}

}  // namespace saffron::inline sdk_v1
