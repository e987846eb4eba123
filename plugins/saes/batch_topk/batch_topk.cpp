#include "batch_topk.h"

namespace saffron::plugins {

Schema<BatchTopK::Options> BatchTopK::schema() {
  return Schema<Options>{}
      .include(&Options::dictionary, DictionaryOptions::schema())
      .include(&Options::selection, BatchTopKOptions::schema())
      .param("by_contribution", &Options::by_contribution,
             "compare a ||W_dec|| of latents, what they contribute, instead of a, for AuxK too "
             "(SAELens: "
             "rescale_acts_by_decoder_norm); the same where decoder rows have norm 1")
      .include(&Options::dead, DeadLatentOptions::schema())
      .check([](const Options& o) { return k_problem(o.selection.k, o.dictionary.width); });
}

}  // namespace saffron::plugins
