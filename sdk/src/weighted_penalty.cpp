#include <saffron/ops.h>
#include <saffron/streams.h>
#include <saffron/weighted_penalty.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/mul.h>

namespace saffron::inline sdk_v1 {
namespace {

constexpr double kSmallestNorm = 1e-12;  // that is divided by

at::Tensor row_norms(const at::Tensor& W) { return W.norm(2, at::IntArrayRef{1}); }

}  // namespace

at::Tensor decoder_norms(DecoderNorm norm, const at::Tensor& W_dec,
                         const std::vector<std::int64_t>& widths) {
  if (norm == DecoderNorm::none) return {};
  if (norm == DecoderNorm::concatenated) return row_norms(W_dec);
  at::Tensor sum;
  for (const at::Tensor& W : apart(W_dec, widths)) {
    sum = sum.defined() ? sum + row_norms(W) : row_norms(W);
  }
  return sum;
}

at::Tensor selection_scale(DecoderNorm norm, const at::Tensor& W_dec,
                           const std::vector<std::int64_t>& widths) {
  const at::Tensor norms = decoder_norms(norm, W_dec, widths);
  return norms.defined() ? norms.clamp_min(kSmallestNorm) : norms;
}

Codes weighted_topk(const at::Tensor& rows, const at::Tensor& W_enc, const at::Tensor& b_enc,
                    std::int64_t k, ops::Keep keep, const at::Tensor& scale) {
  const Codes codes = ops::encode_topk(rows, W_enc, b_enc, k, keep, {}, scale);
  return scale.defined() ? codes.with_values(codes.values() / codes.by_entry(scale)) : codes;
}

Schema<WeightedPenaltyOptions> WeightedPenaltyOptions::schema() {
  using O = WeightedPenaltyOptions;
  return Schema<O>{}
      .choice("penalty", &O::penalty, "the SAE's own sparsity penalty",
              {{"none", Penalty::none}, {"l1", Penalty::l1}, {"tanh", Penalty::tanh}})
      .param("coef", &O::coef, "weight of the penalty", non_negative())
      .param("warmup", &O::warmup, "share of the steps over which coef rises from 0", fraction())
      .param("tanh_scale", &O::tanh_scale, "tanh: factor of a weighted code", positive())
      .choice(
          "weigh_by", &O::norm,
          "what weighs a code: its decoder row's norm over all targets, the sum of the targets' "
          "norms, or nothing",
          {{"concatenated", DecoderNorm::concatenated},
           {"sum", DecoderNorm::sum},
           {"none", DecoderNorm::none}});
}

double WeightedPenaltyOptions::coef_at(const SaeInput& input) const {
  return coef * input.rise(warmup);
}

const char* WeightedPenalty::name() const {
  return options_.penalty == WeightedPenaltyOptions::Penalty::tanh ? "tanh" : "l1";
}

at::Tensor WeightedPenalty::forward(const Codes& codes, const at::Tensor& W_dec,
                                    const std::vector<std::int64_t>& widths) {
  norms_ = decoder_norms(options_.norm, W_dec, widths);
  const at::Tensor& f = codes.values();
  const at::Tensor weighted = norms_.defined() ? f * codes.by_entry(norms_) : f;
  const auto rows = static_cast<double>(codes.rows());
  if (options_.penalty == WeightedPenaltyOptions::Penalty::l1) {
    slopes_ = at::full_like(f, 1 / rows);
    return weighted.sum() / rows;
  }
  const at::Tensor t = (weighted * options_.tanh_scale).tanh();
  slopes_ = (1 - t.square()) * (options_.tanh_scale / rows);
  return t.sum() / rows;
}

at::Tensor WeightedPenalty::backward(double coef, const Codes& codes, const at::Tensor& W_dec,
                                     const std::vector<std::int64_t>& widths,
                                     Gradient* on_decoder) const {
  const at::Tensor slopes = slopes_ * coef;
  if (!norms_.defined()) return slopes;
  if (on_decoder != nullptr) {
    const at::Tensor on_norms = ops::sum_by_latent(codes.with_values(slopes * codes.values()));
    decoder_backward(on_norms, W_dec, widths, *on_decoder);
  }
  return slopes * codes.by_entry(norms_);
}

// d n_i / d W_dec[i] = W_dec[i] / ||W_dec[i]||, for each target's columns or for all of them.
void WeightedPenalty::decoder_backward(const at::Tensor& on_norms, const at::Tensor& W_dec,
                                       const std::vector<std::int64_t>& widths,
                                       Gradient& gradient) const {
  if (options_.norm == DecoderNorm::concatenated || widths.size() == 1) {
    // Factored, with the decoder itself as rows and one entry a latent: row i of the gradient needs
    // row i of W_dec alone, before the optimiser changes it.
    const std::int64_t latents = W_dec.size(0);
    const at::Tensor indices = at::arange(latents, on_norms.options().dtype(at::kInt));
    const at::Tensor values = on_norms / norms_.clamp_min(kSmallestNorm);
    gradient.factored.push_back(
        {Codes::topk(values.unsqueeze(1), indices.unsqueeze(1), latents), W_dec});
    return;
  }
  at::Tensor own = at::empty_like(W_dec);
  const std::vector<at::Tensor> from = apart(W_dec, widths), to = apart(own, widths);
  for (std::size_t m = 0; m < from.size(); ++m) {
    at::Tensor out = to[m];
    at::mul_out(out, from[m],
                (on_norms / row_norms(from[m]).clamp_min(kSmallestNorm)).unsqueeze(1));
  }
  gradient.add_dense(own);
}

}  // namespace saffron::inline sdk_v1
