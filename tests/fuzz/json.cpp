#include "framework/recipe/toml_reader.h"
#include "tests/fuzz/fuzz.h"

#include <saffron/value.h>

#include <algorithm>

// What reads as JSON must read back equal from every style of JSON, and from TOML where TOML can
// say it (it has no null, and toml++ nests less deep).

namespace {

using namespace saffron;

constexpr int kTomlDepth = 200;

bool in_toml(const Value& value, int depth = 0) {
  if (depth > kTomlDepth) return false;
  if (value.is_list()) {
    const Value::List& list = value.as_list();
    return std::all_of(list.begin(), list.end(),
                       [&](const Value& item) { return in_toml(item, depth + 1); });
  }
  if (value.is_table()) {
    const Value::Table& table = value.as_table();
    return std::all_of(table.begin(), table.end(),
                       [&](const Value::Entry& entry) { return in_toml(entry.value, depth + 1); });
  }
  return !value.is_null();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Value value;
  if (!fuzz::accepts([&] { value = from_json(fuzz::text_of(data, size), "x"); })) return 0;
  for (const JsonStyle style : {JsonStyle::compact, JsonStyle::pretty, JsonStyle::canonical}) {
    fuzz::require(from_json(to_json(value, style), "y") == value, "JSON reads back equal");
  }
  const std::string toml = to_toml(value);
  if (!in_toml(value)) return 0;
  const host::TomlValue read = host::parse_toml_value(toml, "z", 3);
  fuzz::require(read.problems.empty() && read.value == value, "TOML reads back equal");
  return 0;
}
