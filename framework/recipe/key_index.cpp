#include "framework/recipe/key_index.h"

#include "framework/recipe/kinds.h"
#include "framework/recipe/node_keys.h"
#include "framework/recipe/problems.h"
#include "framework/recipe/recipe.h"

#include <algorithm>

namespace saffron::host {
namespace {

// The node that a place is in: "train.all" of "train.all.optimizer".
std::string_view node_of(std::string_view place) {
  const std::size_t first = place.find('.');
  if (first == place.npos) return place;
  return place.substr(0, place.find('.', first + 1));
}

std::string joined(const std::vector<std::string>& places) {
  constexpr std::size_t kMost = 3;
  std::string out;
  for (std::size_t i = 0; i < std::min(places.size(), kMost); ++i) {
    out += (i > 0 ? " or " : "") + places[i];
  }
  return places.size() > kMost ? out + " or others" : out;
}

}  // namespace

KeyIndex::KeyIndex(const Value& root, ComponentCatalog& catalog) {
  for (const ParamInfo& info : Settings::schema().params()) entries_.push_back({info.name, ""});
  for (const Value::Entry& section : root.as_table()) {
    const Kind* kind = kind_of_section(section.key);
    if (kind == nullptr || !section.value.is_table()) continue;
    for (const Value::Entry& node : section.value.as_table()) {
      if (!node.value.is_table()) continue;
      const std::string place = cat(section.key, '.', node.key);
      add(own_params(section.key), place);
      const Value* use = node.value.find("use");
      if (use == nullptr || !use->is_string()) continue;
      const std::vector<std::string> ids = catalog.resolve(kind->name, use->as_string());
      if (ids.size() != 1) continue;
      try {
        add(catalog.params(kind->name, ids[0]), place);
      } catch (const std::exception&) {
        continue;  // a plugin that cannot be loaded: decoding the node says why
      }
    }
  }
}

void KeyIndex::add(const std::vector<ParamInfo>& params, const std::string& place) {
  for (const ParamInfo& info : params) {
    if (info.hidden) continue;
    entries_.push_back({info.name, place});
    if (info.type == ParamType::table && !info.list) add(info.fields, cat(place, '.', info.name));
  }
}

std::vector<std::string> KeyIndex::places(const std::string& key, std::string_view within,
                                          const std::string& except) const {
  std::vector<std::string> out;
  for (const Entry& entry : entries_) {
    if (entry.key != key || entry.place.empty() || entry.place == except) continue;
    if (!within.empty() && node_of(entry.place) != within) continue;
    if (std::find(out.begin(), out.end(), entry.place) == out.end()) out.push_back(entry.place);
  }
  return out;
}

std::string KeyIndex::help(const std::string& key, const std::string& place,
                           const std::vector<std::string>& known) const {
  const auto belongs = [&](const std::vector<std::string>& found) {
    return cat('\'', key, "' belongs under ", joined(found));
  };
  if (!place.empty()) {
    const auto same_node = places(key, node_of(place), place);
    if (!same_node.empty()) return belongs(same_node);
  }
  const std::string near = did_you_mean(key, known);
  if (!near.empty()) return near;
  const bool setting = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.key == key && entry.place.empty();
  });
  if (setting && !place.empty()) {
    return cat('\'', key, "' is a setting of the whole recipe: write it above the first [table]");
  }
  const auto elsewhere = places(key, "", place);
  if (!elsewhere.empty()) return belongs(elsewhere);
  if (known.empty()) return {};
  return cat(place.empty() ? "a recipe" : place, " takes ", listed(known, known.size()));
}

}  // namespace saffron::host
