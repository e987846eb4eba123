#include "framework/loader/range.h"

#include <charconv>
#include <optional>
#include <string>

namespace saffron::host {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::optional<double> number(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "[a, b)" and its kin; nullopt when it is none.
std::optional<bool> in_interval(std::string_view text, double value) {
  if (text.size() < 5) return std::nullopt;
  const char open = text.front(), close = text.back();
  const std::size_t comma = text.find(',');
  if ((open != '[' && open != '(') || (close != ']' && close != ')') ||
      comma == std::string_view::npos) {
    return std::nullopt;
  }
  const auto low = number(text.substr(1, comma - 1));
  const auto high = number(text.substr(comma + 1, text.size() - comma - 2));
  if (!low || !high) return std::nullopt;
  return (open == '[' ? value >= *low : value > *low) &&
         (close == ']' ? value <= *high : value < *high);
}

bool satisfies(std::string_view comparison, double value) {
  for (const std::string_view sign : {">=", "<=", ">", "<"}) {
    if (!comparison.starts_with(sign)) continue;
    const auto bound = number(comparison.substr(sign.size()));
    if (!bound) return true;
    if (sign == ">=") return value >= *bound;
    if (sign == "<=") return value <= *bound;
    return sign == ">" ? value > *bound : value < *bound;
  }
  return true;
}

}  // namespace

bool in_range(std::string_view range, double value) {
  range = trimmed(range);
  if (const auto inside = in_interval(range, value)) return *inside;
  while (!range.empty()) {
    const std::size_t comma = range.find(',');
    if (!satisfies(trimmed(range.substr(0, comma)), value)) return false;
    range.remove_prefix(comma == std::string_view::npos ? range.size() : comma + 1);
  }
  return true;
}

}  // namespace saffron::host
