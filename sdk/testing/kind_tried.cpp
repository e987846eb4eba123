#include <saffron/testing/checks.h>

#include "testing/uses.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace saffron::testing {
namespace {

constexpr const char* kOptionsFirst =
    "\nunder [options], test-plugin.toml (.options of SAFFRON_CONFORMANCE_TESTS) gives it what it "
    "needs; under [off] (.off), a reason why it cannot be tried";
constexpr const char* kOffFirst =
    "\nunder [off], test-plugin.toml (.off of SAFFRON_CONFORMANCE_TESTS) says why it cannot be "
    "tried; under [options] (.options), other values with which it can";

bool wrong(const Verdict& verdict) {
  return verdict.outcome == Outcome::failed || verdict.outcome == Outcome::crashed;
}

}  // namespace

bool comes_first(std::string_view id) {
  return id == "defaults-valid" || id == "destroy-without-use" || id == kCanBeUsed;
}

void KindTried::add(const Check& check, std::string_view kind, const Verdict& verdict) {
  if (wrong(verdict) && comes_first(check.id) && unusable_.empty()) unusable_ = check.id;
  const Left left = left_by(verdict);
  const bool told = !left.to.empty();
  if (told) {
    left_.push_back({check.id, left.to, left.found});
  } else if (verdict.outcome == Outcome::passed || verdict.outcome == Outcome::skipped) {
    unfound_.insert(check.id);
  } else {
    found_.insert(check.id);
  }
  if (kind != check.group) return;
  // "see float64": what kept it from running is another check's finding.
  if (verdict.outcome == Outcome::passed || wrong(verdict) || told) {
    tried_ = true;
    return;
  }
  ++not_tried_;
  if (reason_.empty() && verdict.outcome == Outcome::skipped) reason_ = verdict.message;
}

bool KindTried::settled() const {
  return tried_ && std::all_of(left_.begin(), left_.end(),
                               [&](const LeftTo& left) { return found_.contains(left.to); });
}

Verdict KindTried::verdict(const std::string& ended) const {
  for (const auto& [from, to, found] : left_) {
    if (!unfound_.contains(to)) continue;
    return {Outcome::failed,
            found.empty() ? cat(from, " leaves what it found to ", to, ", which finds nothing")
                          : cat(from, ": ", found, " (left to ", to, ", which finds nothing)")};
  }
  if (tried_) return {};
  if (!unusable_.empty()) return {Outcome::skipped, cat("see ", unusable_)};
  if (!ended.empty()) return {Outcome::skipped, cat("not after ", ended)};
  if (not_tried_ == 0) return {Outcome::skipped, "the checks of its kind are switched off"};
  return {Outcome::failed,
          cat("none of ", not_tried_, " checks of its kind could run: ", reason_,
              reason_.find("[options") != std::string::npos ? kOptionsFirst : kOffFirst)};
}

}  // namespace saffron::testing
