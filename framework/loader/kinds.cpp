#include "framework/loader/kinds.h"

#include "framework/recipe/kinds.h"
#include "framework/recipe/node_keys.h"

#include <saffron/comparator.h>
#include <saffron/dataset.h>
#include <saffron/explainer.h>
#include <saffron/format.h>
#include <saffron/judge.h>
#include <saffron/model.h>
#include <saffron/objective.h>
#include <saffron/regularizer.h>
#include <saffron/sae.h>
#include <saffron/scorer.h>
#include <saffron/source.h>
#include <saffron/tokenizer.h>
#include <saffron/world.h>

#include <vector>

namespace saffron::host {
namespace {

template <class Kind>
constexpr KindInfo line(const char* meaning) {
  return {Kind::kKind, Kind::kInterface, meaning};
}

constexpr KindInfo kKinds[] = {
    line<Dataset>("rows of tokens, signals or labels"),
    line<Model>("activations at named sites"),
    line<Source>("batches of activation streams"),
    line<Sae>("codes and reconstructions"),
    line<Regularizer>("a term of the training loss"),
    line<Scorer>("a report on trained SAEs"),
    line<World>("an environment and its rewards"),
    line<Comparator>("distances between rewards"),
    line<Tokenizer>("token ids from text and back"),
    line<Objective>("the reconstruction part of the training loss"),
    line<Format>("files that hold a trained SAE"),
    line<Explainer>("what a latent stands for"),
    line<Judge>("answers to questions about text"),
};

}  // namespace

std::span<const KindInfo> kinds() { return kKinds; }

const KindInfo* find_kind(std::string_view kind) {
  for (const KindInfo& info : kKinds) {
    if (kind == info.kind) return &info;
  }
  return nullptr;
}

std::string nearest_kind(std::string_view word) {
  std::vector<std::string> words;
  for (const KindInfo& info : kKinds) words.emplace_back(info.kind);
  const std::string near = nearest(word, words.data(), words.size());
  return near.empty() ? "" : cat(" (did you mean '", near, "'?)");
}

std::vector<ParamInfo> own_keys(std::string_view kind) {
  if (kind == Regularizer::kKind) return own_params(kind);
  const NodeKind* node = kind_of_component(kind);
  return node == nullptr ? std::vector<ParamInfo>() : own_params(node->section);
}

std::string table_header(std::string_view kind) {
  if (kind == Regularizer::kKind) return "[train.NODE.regularizer.NAME]";
  const NodeKind* node = kind_of_component(kind);
  return node == nullptr ? std::string() : cat('[', node->section, ".NAME]");
}

}  // namespace saffron::host
