#pragma once

#include <saffron/format.h>

namespace saffron::plugins {

// dictionary_learning's folder of one dictionary: ae.pt, a state dict, and config.json, whose
// trainer.dict_class names the class (dictionary_learning 0.1, dictionary.py and trainers/).
//
//   AutoEncoder           encoder.weight [F, d]  encoder.bias [F]  decoder.weight [d, F]  bias [d]
//   AutoEncoderNew        the same with decoder.bias, which is not subtracted
//   GatedAutoEncoder      encoder.weight, decoder.weight, decoder_bias, gate_bias, mag_bias, r_mag
//   AutoEncoderTopK       encoder.*, decoder.weight, b_dec [d], k, threshold (not used)
//   BatchTopKSAE          the same names; f = ReLU(a) where ReLU(a) > threshold, one for all latents
//   MatryoshkaBatchTopKSAE  W_enc [d, F], b_enc, W_dec [F, d], b_dec, k, threshold, group_sizes
//   JumpReluAutoEncoder   W_enc [d, F], b_enc, W_dec [F, d], b_dec, threshold [F]; b_dec is not
//                         subtracted
//
// b_dec (bias, decoder_bias) is subtracted in the others. Without config.json the names tell the class, but
// for AutoEncoderTopK and BatchTopKSAE.
//
// Written: relu as AutoEncoder or, where b_dec is not subtracted, AutoEncoderNew; topk, gated, and
// jumprelu as the classes of those names. There are no transcoders.
class DictionaryLearning final : public Format {
 public:
  struct Options {};
  static Schema<Options> schema() { return {}; }
  explicit DictionaryLearning(const Options&) {}

  [[nodiscard]] bool recognises(const std::string& path) const override;
  [[nodiscard]] CanonicalSae read(const std::string& path) const override;
  void write(const TrainedSae& sae, const CanonicalSae& weights,
             const std::string& folder) const override;
};

}  // namespace saffron::plugins
