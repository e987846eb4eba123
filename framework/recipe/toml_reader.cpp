#include "framework/recipe/toml_reader.h"

#include <toml++/toml.h>

#include <algorithm>
#include <tuple>

// The only file that includes toml++. The tree is converted once: copying nodes loses positions.

namespace saffron::host {
namespace {

// "Error while parsing array: ..." -> "syntax error in an array: ...", on one line.
std::string description(std::string_view text) {
  constexpr std::string_view kOpening = "Error while parsing ";
  std::string out;
  const std::size_t colon = text.find(": ");
  if (text.starts_with(kOpening) && colon != text.npos) {
    const std::string_view what = text.substr(kOpening.size(), colon - kOpening.size());
    const bool vowel = std::string_view("aeiou").find(what[0]) != what.npos;
    out = cat("syntax error in ", vowel ? "an " : "a ", what);
    text.remove_prefix(colon);
  }
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

class Converter {
 public:
  // In a one-line source positions have a column but no line.
  Converter(const std::string& source, bool one_line, std::vector<Problem>& problems)
      : source_(source), one_line_(one_line), problems_(problems) {}

  Origin origin(const toml::source_region& region) const {
    const auto line = static_cast<std::int64_t>(region.begin.line);
    return {source_, one_line_ && line == 1 ? 0 : line,
            static_cast<std::int64_t>(region.begin.column)};
  }

  Value convert(const toml::node& node, const std::string& path) {
    Value value = content(node, path);
    value.with_origin(origin(node.source()));
    return value;
  }

 private:
  Value content(const toml::node& node, const std::string& path) {
    switch (node.type()) {
      case toml::node_type::table: return table(*node.as_table(), path);
      case toml::node_type::array: return list(*node.as_array(), path);
      case toml::node_type::string: return Value(node.as_string()->get());
      case toml::node_type::integer: return Value(node.as_integer()->get());
      case toml::node_type::floating_point: return Value(node.as_floating_point()->get());
      case toml::node_type::boolean: return Value(node.as_boolean()->get());
      default: break;
    }
    problems_.push_back({origin(node.source()), path, "dates and times are not values of a recipe",
                         "write it in quotes if a string is meant", false});
    return {};
  }

  Value table(const toml::table& table, const std::string& path) {
    Value out = Value::table();
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      Value value = convert(node, path.empty() ? name : path + '.' + name);
      out.as_table().push_back({name, std::move(value), origin(key.source())});
    }
    // toml++ sorts keys by name; the text's own order is what people wrote.
    std::stable_sort(out.as_table().begin(), out.as_table().end(),
                     [](const Value::Entry& a, const Value::Entry& b) {
                       return std::tie(a.key_origin.line, a.key_origin.column) <
                              std::tie(b.key_origin.line, b.key_origin.column);
                     });
    return out;
  }

  Value list(const toml::array& array, const std::string& path) {
    Value out = Value::list();
    std::size_t index = 0;
    for (const toml::node& item : array) out.push(convert(item, cat(path, '[', index++, ']')));
    return out;
  }

  const std::string& source_;
  bool one_line_;
  std::vector<Problem>& problems_;
};

TomlText parse(std::string_view text, const std::string& source, bool one_line) {
  TomlText out;
  Converter converter(source, one_line, out.problems);
  try {
    const toml::table table = toml::parse(text, std::string_view(source));
    out.root = converter.convert(table, "");
  } catch (const toml::parse_error& error) {
    out.parsed = false;
    out.problems.push_back(
        {converter.origin(error.source()), "", description(error.description()), "", false});
  }
  return out;
}

}  // namespace

TomlText parse_toml(std::string_view text, const std::string& source) {
  return parse(text, source, false);
}

TomlValue parse_toml_value(std::string_view text, const std::string& source, std::int64_t column) {
  const std::string padded =
      cat(std::string(static_cast<std::size_t>(std::max<std::int64_t>(column - 3, 0)), ' '),
          "x=", text);
  TomlText parsed = parse(padded, source, true);
  TomlValue out{std::nullopt, std::move(parsed.problems)};
  if (parsed.root.as_table().size() == 1) out.value = std::move(*parsed.root.find("x"));
  return out;
}

}  // namespace saffron::host
