#include "testing/checks/model_checks.h"
#include "testing/checks/texts.h"
#include "testing/made.h"

#include <saffron/tokenizer.h>

// The tokenizer that a model names.

namespace saffron::testing {
namespace {

std::shared_ptr<Tokenizer> tokenizer_of(const Model& model) {
  auto tokenizer = model.tokenizer();
  if (tokenizer == nullptr) skip("has no tokenizer");
  return tokenizer;
}

}  // namespace

Verdict tokenizer_roundtrip(const Subject& subject) {
  const auto model = made<Model>(subject);
  const auto tokenizer = tokenizer_of(*model);
  for (const std::string& text : common_texts()) check_roundtrip(*tokenizer, text);
  return {};
}

Verdict tokenizer_fits_the_model(const Subject& subject) {
  const auto model = made<Model>(subject);
  const auto tokenizer = tokenizer_of(*model);
  const std::int64_t vocabulary = model->info().vocabulary;
  for (const std::string& text : common_texts()) {
    for (const std::int32_t id : tokenizer->encode(text, false)) {
      if (id >= vocabulary) {
        fail(cat("its tokenizer gives id ", id, " for ", quoted(text), "; the model has ",
                 vocabulary, " tokens"));
      }
    }
  }
  return {};
}

}  // namespace saffron::testing
