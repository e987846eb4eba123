#include "framework/loader/version.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace saffron::host {
namespace {

using Numbers = std::array<std::uint64_t, 3>;

// The numbers in front, which are taken off `text`.
std::optional<Numbers> take_numbers(std::string_view& text) {
  Numbers out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (i > 0) {
      if (!text.starts_with('.')) return std::nullopt;
      text.remove_prefix(1);
    }
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out[i]);
    if (problem != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
  return out;
}

}  // namespace

bool is_version(std::string_view text) { return take_numbers(text) && text.empty(); }

bool is_older(std::string_view version, std::string_view least) {
  const auto mine = take_numbers(version);
  const auto wanted = take_numbers(least);
  const bool semantic = version.empty() || version[0] == '-' || version[0] == '+';
  if (!mine || !wanted || !semantic) return true;
  if (*mine != *wanted) return *mine < *wanted;
  return version.starts_with('-');  // a pre-release
}

}  // namespace saffron::host
