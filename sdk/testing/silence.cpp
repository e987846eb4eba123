#include <saffron/error.h>
#include <saffron/testing/checks.h>

namespace saffron::testing {

void Silence::add(const std::string& subject, const std::string& printed) {
  constexpr std::size_t kShown = 200;  // characters
  if (printed.empty() || !first_.empty()) return;
  first_ = cat(subject, " printed '", printed.substr(0, kShown), '\'');
}

Verdict Silence::verdict() const {
  if (first_.empty()) return {};
  return {Outcome::failed, cat(first_, ": standard output is the program's; use Log")};
}

}  // namespace saffron::testing
