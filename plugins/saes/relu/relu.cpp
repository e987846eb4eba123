#include "relu.h"

#include <saffron/ops.h>

namespace saffron::plugins {

Schema<Relu::Options> Relu::schema() {
  return Schema<Options>{}
      .include(&Options::dictionary, DictionaryOptions::schema())
      .include(&Options::dead, DeadLatentOptions::schema());
}

void Relu::declare_own(SaeSpec& spec) const { spec.layout = Codes::Layout::csr; }

Codes Relu::codes_of(const at::Tensor& rows) const {
  return ops::encode_above(rows, W_enc(), b_enc(), {});
}

void Relu::canonical_own(CanonicalSae& out) const { out.activation = "relu"; }

}  // namespace saffron::plugins
