#include "batch_topk.h"

namespace saffron::plugins {

Schema<BatchTopK::Options> BatchTopK::schema() {
  return Schema<Options>{}
      .include(&Options::dictionary, DictionaryOptions::schema())
      .include(&Options::selection, BatchTopKOptions::schema())
      .include(&Options::dead, DeadLatentOptions::schema())
      .check([](const Options& o) { return k_problem(o.selection.k, o.dictionary.width); });
}

}  // namespace saffron::plugins
