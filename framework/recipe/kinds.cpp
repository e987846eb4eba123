#include "framework/recipe/kinds.h"

#include "framework/recipe/node_keys.h"

#include <saffron/comparator.h>
#include <saffron/dataset.h>
#include <saffron/error.h>
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

namespace saffron::host {
namespace {

template <class Interface>
constexpr Kind kind(const char* section, const char* meaning, bool result = false) {
  return {Interface::kKind, Interface::kInterface, section, meaning, result};
}

constexpr Kind kKinds[] = {
    kind<Dataset>("dataset", "token sequences, signals or labelled rows"),
    kind<Model>("model", "activations at named sites"),
    kind<Source>("source", "batches of activation streams"),
    kind<Sae>("sae", "codes and reconstructions"),
    {"", "", "train", "trains SAEs together, one pass over the data", true},
    kind<Regularizer>("", "a term of the training loss"),
    kind<Scorer>("score", "a report on trained SAEs", true),
    kind<World>("world", "an environment and its reward functions"),
    kind<Comparator>("compare", "distances between a world's reward functions", true),
    kind<Tokenizer>("", "token ids from text and back"),
    kind<Objective>("", "the reconstruction part of the training loss"),
    kind<Format>("", "files that hold a trained SAE"),
    kind<Explainer>("", "what a latent stands for"),
    kind<Judge>("", "answers to questions about text"),
};

std::vector<std::string> names_of(const char* Kind::* member) {
  std::vector<std::string> out;
  for (const Kind& kind : kKinds) {
    if (*(kind.*member) != 0) out.emplace_back(kind.*member);
  }
  return out;
}

const Kind* find(const char* Kind::* member, std::string_view word) {
  for (const Kind& kind : kKinds) {
    if (!word.empty() && word == kind.*member) return &kind;
  }
  return nullptr;
}

}  // namespace

std::span<const Kind> kinds() { return kKinds; }

const Kind* find_kind(std::string_view name) { return find(&Kind::name, name); }

const Kind* kind_of_section(std::string_view section) { return find(&Kind::section, section); }

std::string_view section_of(std::string_view kind) {
  const Kind* found = find_kind(kind);
  return found == nullptr ? std::string_view() : found->section;
}

std::vector<std::string> section_names() { return names_of(&Kind::section); }

std::vector<std::string> kind_names() { return names_of(&Kind::name); }

std::string nearest_kind(std::string_view word) {
  const std::vector<std::string> words = kind_names();
  const std::string near = nearest(word, words.data(), words.size());
  return near.empty() ? "" : cat(" (did you mean '", near, "'?)");
}

std::vector<ParamInfo> keys_beside(std::string_view kind) {
  if (kind == Regularizer::kKind) return own_params(kind);
  const std::string_view section = section_of(kind);
  return section.empty() ? std::vector<ParamInfo>() : own_params(section);
}

std::string table_header(std::string_view kind) {
  if (kind == Regularizer::kKind) return "[train.NODE.regularizer.NAME]";
  const std::string_view section = section_of(kind);
  return section.empty() ? std::string() : cat('[', section, ".NAME]");
}

std::string header_of(std::string_view kind) { return cat("saffron/", kind, ".h"); }

std::vector<std::string> providers_of(std::string_view kind) {
  if (kind == Tokenizer::kKind) return {"model"};
  return {};
}

std::string_view command_of(std::string_view kind) {
  return kind == Format::kKind ? "saffron export --format" : "";
}

std::string with_article(std::string_view noun) {
  const bool vowel = noun == "sae" || noun == "SAE" ||
                     (!noun.empty() && std::string_view("aeiou").find(noun[0]) != noun.npos);
  return cat(vowel ? "an " : "a ", noun);
}

}  // namespace saffron::host
