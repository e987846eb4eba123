#pragma once

#include <saffron/schema.h>
#include <saffron/value.h>

#include <string>
#include <string_view>
#include <vector>

// All that the plugins offer, by kind: what `saffron inspect`, the JSON Schema for editors and the
// reference pages are made from.

namespace saffron::host {

// {kinds, plugins, problems} from describe_loaded(). A kind is describe(Kind) with its components,
// each with its plugin and the `use` that means it and no other, and with the parameters that take
// a nested component of it ("taken_by").
[[nodiscard]] Value inventory_of(const Value& listing);
// One kind's part of it.
[[nodiscard]] const Value& kind_in(const Value& inventory, std::string_view kind);

// `saffron inspect`: every kind with its components, one a line.
[[nodiscard]] std::string inventory_text(const Value& inventory);
// `saffron inspect KIND`: what the kind is, its components, its own keys.
[[nodiscard]] std::string kind_text(const Value& kind);

// A component that a recipe may use.
struct Offer {
  std::string kind, plugin, name, summary;
  std::vector<ParamInfo> params;
};
[[nodiscard]] std::vector<Offer> offers_in(const Value& inventory);
// How a recipe may write it: "topk", unless another offer of its kind has that name, and
// "org.saffron.topk::topk".
[[nodiscard]] std::vector<std::string> uses_of(const Offer& offer,
                                               const std::vector<Offer>& offers);

}  // namespace saffron::host
