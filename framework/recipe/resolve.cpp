#include "framework/recipe/resolve.h"

#include "framework/recipe/component_decode.h"
#include "framework/recipe/settings.h"

#include <algorithm>
#include <cctype>

namespace saffron::host {
namespace {

constexpr std::size_t kWidestPadding = 48;

std::string key_text(const std::string& key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
  return bare ? key : to_toml(Value(key));
}

std::string origin_text(const Origin& origin) {
  if (origin.line <= 0) return origin.source;
  return cat(origin.source, ':', origin.line);
}

struct Line {
  std::string text, origin;
};

void append_lines(std::string& out, const std::vector<Line>& lines) {
  std::size_t width = 0;
  for (const Line& line : lines) {
    if (line.text.size() <= kWidestPadding) width = std::max(width, line.text.size());
  }
  for (const Line& line : lines) {
    out += line.text;
    if (!line.origin.empty()) {
      out.append(line.text.size() < width ? width - line.text.size() : 0, ' ');
      out += cat("  # ", line.origin);
    }
    out += '\n';
  }
}

// The table's own values under its header, then its tables under headers of theirs.
void append_table(std::string& out, const std::string& path, const Value& table) {
  std::vector<Line> lines;
  for (const Value::Entry& entry : table.as_table()) {
    if (entry.value.is_null() || entry.value.is_table()) continue;
    lines.push_back(
        {cat(key_text(entry.key), " = ", to_toml(entry.value)), origin_text(entry.value.origin())});
  }
  const bool only_tables = lines.empty() && !table.as_table().empty();
  if (!path.empty() && !only_tables) out += cat("\n[", path, "]\n");
  append_lines(out, lines);
  for (const Value::Entry& entry : table.as_table()) {
    if (!entry.value.is_table()) continue;
    append_table(out, cat(path.empty() ? "" : path + ".", key_text(entry.key)), entry.value);
  }
}

}  // namespace

std::string resolved_text(const Recipe& recipe) {
  std::string out;
  append_table(out, "", recipe.settings_resolved);
  for (const NodeSpec& node : recipe.nodes) append_table(out, node.path(), node.resolved);
  return out;
}

Value resolved_value(const Recipe& recipe) {
  Value out = Value::table();
  out.set("saffron", Value(recipe.settings.saffron));
  out.set("settings", without_unhashed(recipe.settings_resolved, Settings::schema().params()));
  Value nodes = Value::table();
  for (const NodeSpec& node : recipe.nodes) {
    Value* section = nodes.find(node.section);
    if (section == nullptr) section = &nodes.set(node.section, Value::table());
    section->set(node.name, node.identity);
  }
  out.set("nodes", std::move(nodes));
  return out;
}

}  // namespace saffron::host
