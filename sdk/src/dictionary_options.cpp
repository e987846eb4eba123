#include <saffron/dictionary_sae.h>

#include <string>

namespace saffron::inline sdk_v1 {

Schema<DictionaryOptions> DictionaryOptions::schema() {
  using O = DictionaryOptions;
  return Schema<O>{}
      .param("width", &O::width, "latents F", between(1, kMostLatents))
      .param("tied", &O::tied, "the encoder is the decoder's transpose")
      .param("unit_decoder", &O::unit_decoder,
             "decoder rows keep norm 1 and lose the gradient along themselves")
      .param(
          "decoder_norm", &O::decoder_norm,
          "norm of the decoder's rows at the start (1 with `unit_decoder`); of each target's part",
          positive())
      .param("encoder_bias", &O::encoder_bias, "b_enc, added before the activation")
      .param("decoder_bias", &O::decoder_bias, "b_dec, added after decoding")
      .param("pre_bias", &O::pre_bias,
             "b_dec is also subtracted before encoding, where what is read is predicted")
      .param("skip", &O::skip, "a linear map from what is read is added to what is predicted")
      .param("standardise", &O::standardise,
             "encode each row by its own mean and deviation, and undo it after decoding")
      .param(
          "W_dec_init", &O::W_dec_init,
          "decoder at the start: random directions, directions of training rows (random ones when "
          "those run out), or 0",
          one_of({"random", "data", "zero"}))
      .param("W_enc_init", &O::W_enc_init,
             "encoder at the start: the decoder's rows, or random directions",
             one_of({"decoder", "random"}))
      .param("b_enc_init", &O::b_enc_init,
             "b_enc at the start: 0, or so that the mean of the first rows encodes to 0",
             one_of({"zero", "centred"}))
      .param("b_dec_init", &O::b_dec_init,
             "b_dec at the start, from the first rows (standardised ones with `standardise`)",
             one_of({"geometric_median", "mean", "zero"}))
      .param(
          "frozen", &O::frozen,
          "what stays as it starts, for baselines: nothing, W_enc, W_dec, or W_dec within a cone",
          one_of({"none", "encoder", "decoder", "soft_decoder"}))
      .param("decoder_cosine", &O::decoder_cosine,
             "soft_decoder: least cosine between a decoder row and its start", fraction())
      .check([](const O& o) -> std::string {
        if (o.unit_decoder && o.decoder_norm != 1) {
          return "decoder_norm is 1 where unit_decoder = true holds it there";
        }
        if (!o.encoder_bias && o.b_enc_init != "zero") {
          return cat("b_enc_init = \"", o.b_enc_init, "\" needs encoder_bias = true");
        }
        if (o.frozen == "encoder" && o.tied) {
          return "the encoder of a tied SAE is its decoder: frozen = \"decoder\" keeps both";
        }
        if (o.frozen.ends_with("decoder") && o.W_dec_init == "zero") {
          return cat("frozen = \"", o.frozen, "\" would keep W_dec_init = \"zero\"");
        }
        if (o.W_dec_init == "zero" && (o.unit_decoder || o.tied)) {
          return "W_dec_init = \"zero\" needs unit_decoder = false and tied = false";
        }
        if (o.W_dec_init == "zero" && o.W_enc_init == "decoder") {
          return "W_dec_init = \"zero\" and W_enc_init = \"decoder\" would leave nothing to learn "
                 "from; "
                 "set W_enc_init = \"random\"";
        }
        return {};
      });
}

}  // namespace saffron::inline sdk_v1
