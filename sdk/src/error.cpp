#include <saffron/error.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace saffron::inline sdk_v1 {

std::string Origin::text() const {
  if (source.empty() || line <= 0) return source;
  if (column <= 0) return cat(source, ':', line);
  return cat(source, ':', line, ':', column);
}

Error::Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {
  rebuild();
}

Error::~Error() = default;

Error& Error::at(const Origin& origin) { return origin.known() ? within(origin.text()) : *this; }

Error& Error::within(std::string_view place) {
  if (place.empty()) return *this;
  where_ = where_.empty() ? std::string(place) : cat(place, ": ", where_);
  rebuild();
  return *this;
}

Error& Error::with_help(std::string_view help) {
  help_ = help;
  rebuild();
  return *this;
}

void Error::rebuild() {
  text_.clear();
  if (!where_.empty()) text_ = where_ + ": ";
  text_ += message_;
  if (!help_.empty()) text_ += "\n  help: " + help_;
}

namespace {

// Optimal string alignment: edits are insertion, deletion, substitution and the transposition of
// two neighbours, no substring edited twice. Three rows of the table suffice.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, substitution});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::string* candidates, std::size_t count) {
  const std::size_t cut_off = std::max<std::size_t>(1, word.size() / 3);
  std::size_t best = cut_off + 1;
  std::string found;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& candidate = candidates[i];
    const std::size_t longer = std::max(candidate.size(), word.size());
    const std::size_t shorter = std::min(candidate.size(), word.size());
    if (longer - shorter >= best) continue;  // the distance is at least the difference in length
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

}  // namespace saffron::inline sdk_v1
