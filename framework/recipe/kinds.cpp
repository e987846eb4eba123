#include "framework/recipe/kinds.h"

#include <saffron/error.h>

namespace saffron::host {
namespace {

constexpr NodeKind kKinds[] = {
    {"dataset", "dataset", "token sequences, signals or labelled rows", false},
    {"model", "model", "a model with named sites", false},
    {"source", "source", "batches of activation streams", false},
    {"sae", "sae", "a sparse autoencoder", false},
    {"train", "", "trains SAEs together, one pass over the data", true},
    {"score", "scorer", "a report on trained SAEs", true},
    {"world", "world", "an environment and its reward functions", false},
    {"compare", "comparator", "distances between a world's reward functions", true},
};

}  // namespace

std::span<const NodeKind> node_kinds() { return kKinds; }

const NodeKind* kind_of_section(std::string_view section) {
  for (const NodeKind& kind : kKinds) {
    if (section == kind.section) return &kind;
  }
  return nullptr;
}

const NodeKind* kind_of_component(std::string_view component) {
  for (const NodeKind& kind : kKinds) {
    if (!component.empty() && component == kind.component) return &kind;
  }
  return nullptr;
}

std::vector<std::string> section_names() {
  std::vector<std::string> out;
  for (const NodeKind& kind : kKinds) out.emplace_back(kind.section);
  return out;
}

std::vector<std::string> providers_of(std::string_view component) {
  if (component == "tokenizer") return {"model"};
  return {};
}

std::string with_article(std::string_view noun) {
  const bool vowel = noun == "sae" || noun == "SAE" ||
                     (!noun.empty() && std::string_view("aeiou").find(noun[0]) != noun.npos);
  return cat(vowel ? "an " : "a ", noun);
}

}  // namespace saffron::host
