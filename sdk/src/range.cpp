#include <saffron/range.h>

#include <charconv>
#include <optional>
#include <string>

namespace saffron::inline sdk_v1 {
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
std::optional<Bounds> interval(std::string_view text) {
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
  return Bounds{*low, *high, open == '(', close == ')'};
}

void narrow(Bounds& bounds, std::string_view comparison) {
  for (const std::string_view sign : {">=", "<=", ">", "<"}) {
    if (!comparison.starts_with(sign)) continue;
    const auto bound = number(comparison.substr(sign.size()));
    if (!bound) return;
    const bool open = sign.size() == 1;
    if (sign[0] == '>' && (*bound > bounds.low || (*bound == bounds.low && open))) {
      bounds.low = *bound;
      bounds.low_open = open;
    }
    if (sign[0] == '<' && (*bound < bounds.high || (*bound == bounds.high && open))) {
      bounds.high = *bound;
      bounds.high_open = open;
    }
    return;
  }
}

}  // namespace

bool Bounds::contain(double value) const {
  return (low_open ? value > low : value >= low) && (high_open ? value < high : value <= high);
}

Bounds bounds_of(std::string_view range) {
  range = trimmed(range);
  if (const auto whole = interval(range)) return *whole;
  Bounds bounds;
  while (!range.empty()) {
    const std::size_t comma = range.find(',');
    narrow(bounds, trimmed(range.substr(0, comma)));
    range.remove_prefix(comma == std::string_view::npos ? range.size() : comma + 1);
  }
  return bounds;
}

}  // namespace saffron::inline sdk_v1
