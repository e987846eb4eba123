#include <saffron/testing/checks.h>

#include "testing/checks/groups.h"
#include "testing/checks/process.h"
#include "testing/expect.h"
#include "testing/uses.h"

#include <c10/util/Exception.h>

#include <algorithm>

namespace saffron::testing {
namespace {

std::vector<Check> all_checks() {
  std::vector<Check> out;
  for (const std::span<const Check> group :
       {parameter_checks(), component_checks(), regularizer_checks(), objective_checks(),
        sae_checks(), source_checks(), dataset_checks(), model_checks(), tokenizer_checks(),
        scorer_checks(), world_checks(), comparator_checks(), format_checks(), explainer_checks(),
        judge_checks()}) {
    out.insert(out.end(), group.begin(), group.end());
  }
  return out;
}

constexpr std::string_view kFirst = "defaults-valid";

bool made(const Subject& subject) {
  if (!subject.lacking().empty()) return true;
  try {
    keep(subject.create(subject.options(), {}));
    return true;
  } catch (const Error&) {
    return false;
  }
}

Verdict judged(const Check& check, const Subject& subject) {
  try {
    return check.run(subject);
  } catch (const Finding& finding) {
    return finding.verdict;
  } catch (const c10::Error& error) {
    return {Outcome::failed, cat("threw c10::Error: ", words_of(error))};
  } catch (const std::exception& error) {
    return {Outcome::failed, cat("threw: ", words_of(error))};
  } catch (...) {
    return {Outcome::failed, "threw something that is not a std::exception"};
  }
}

}  // namespace

const char* name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::passed: return "passed";
    case Outcome::failed: return "failed";
    case Outcome::crashed: return "crashed";
    case Outcome::skipped: return "skipped";
    case Outcome::warning: return "warning";
  }
  return "";
}

std::span<const Check> checks() {
  static const std::vector<Check> all = all_checks();
  return all;
}

std::vector<const Check*> checks_for(std::string_view kind) {
  std::vector<const Check*> out;
  for (const Check& check : checks()) {
    const std::string_view group = check.group;
    if (group == "parameters" || group == "component" || group == kind) out.push_back(&check);
  }
  return out;
}

Value Settings::options_of(std::string_view kind, std::string_view name) const {
  for (const Options& of : options) {
    if (of.component == cat(kind, '/', name)) return of.options;
  }
  return Value::table();
}

std::string Settings::off_reason(std::string_view kind, std::string_view name,
                                 std::string_view id) const {
  const std::string subject = name.empty() ? std::string(kind) : cat(kind, '/', name);
  for (const Off& one : off) {
    if (one.what == id || one.what == cat(subject, ' ', id)) return one.reason;
  }
  return {};
}

Verdict run(const Check& check, const Subject& subject) {
  Verdict verdict;
  bool changed = false;  // the process
  {
    const Undisturbed process(subject);
    verdict = judged(check, subject);
    changed = process.changed();
  }
  const bool found = verdict.outcome == Outcome::failed || verdict.outcome == Outcome::warning;
  if (!found || std::string_view(check.id) == kFirst) return verdict;
  const Undisturbed process(subject);
  if (!made(subject)) {
    return {Outcome::skipped, cat("its options make no component: see ", kFirst)};
  }
  // One fault is told of once: only what has found something asks what else there is to find.
  const std::string elsewhere = fault_of_use(check, subject, changed);
  if (!elsewhere.empty()) return {Outcome::skipped, see(elsewhere, verdict.message)};
  return verdict;
}

}  // namespace saffron::testing
