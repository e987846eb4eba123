#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

// The sections of a recipe, one line each: what a new kind of node adds to the host.

namespace saffron::host {

struct NodeKind {
  const char* section;    // "score": tables [score.<name>] declare such nodes
  const char* component;  // "scorer": the kind of component that `use` names; "" when it takes none
  const char* doc;
  bool result;  // worth running for itself: nothing needs to refer to it
};

[[nodiscard]] std::span<const NodeKind> node_kinds();
// nullptr when there is none.
[[nodiscard]] const NodeKind* kind_of_section(std::string_view section);
[[nodiscard]] const NodeKind* kind_of_component(std::string_view component);
[[nodiscard]] std::vector<std::string> section_names();

// The sections whose nodes can provide a nested component of this kind, so that a recipe may write
// the node's name: tokenizer = "lm". Empty when none can.
[[nodiscard]] std::vector<std::string> providers_of(std::string_view component);

// "a model", "an sae".
[[nodiscard]] std::string with_article(std::string_view noun);

}  // namespace saffron::host
