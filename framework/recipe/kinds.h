#pragma once

#include <saffron/schema.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

// The kinds of components that this host knows, and the tables of a recipe: a new kind is one SDK
// header and one line here.

namespace saffron::host {

struct Kind {
  const char* name;       // "scorer": as plugins name it; "" for the one table without a component
  const char* interface;  // "saffron.scorer/1"
  const char* section;    // "score": tables [score.NAME] declare such nodes; "" = only nested
  const char* meaning;    // what it makes
  bool result;            // a node worth running for itself: nothing needs to refer to it
};

[[nodiscard]] std::span<const Kind> kinds();
// nullptr when there is none.
[[nodiscard]] const Kind* find_kind(std::string_view name);
[[nodiscard]] const Kind* kind_of_section(std::string_view section);
// The section whose nodes use components of this kind; "" for a kind that is only ever nested.
[[nodiscard]] std::string_view section_of(std::string_view kind);
[[nodiscard]] std::vector<std::string> section_names();
[[nodiscard]] std::vector<std::string> kind_names();
// " (did you mean 'sae'?)" for an unknown kind, or "".
[[nodiscard]] std::string nearest_kind(std::string_view word);

// The keys that a recipe's table has beside the component's parameters; none for a kind that is
// only ever nested.
[[nodiscard]] std::vector<ParamInfo> keys_beside(std::string_view kind);
// How a recipe starts such a table: "[score.NAME]", "[train.NODE.regularizer.NAME]", or "".
[[nodiscard]] std::string table_header(std::string_view kind);

// The SDK header that declares the kind: "saffron/sae.h".
[[nodiscard]] std::string header_of(std::string_view kind);

// The sections whose nodes can provide a nested component of this kind, so that a recipe may write
// the node's name: tokenizer = "lm". Empty when none can.
[[nodiscard]] std::vector<std::string> providers_of(std::string_view kind);
// The command that uses a kind which no recipe names: "saffron export --format"; "" for the others.
[[nodiscard]] std::string_view command_of(std::string_view kind);

// "a model", "an sae".
[[nodiscard]] std::string with_article(std::string_view noun);

}  // namespace saffron::host
