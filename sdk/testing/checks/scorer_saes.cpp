#include "testing/checks/scorer_saes.h"

#include "testing/made.h"
#include "testing/scoring.h"

#include <saffron/testing/toys.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <vector>

namespace saffron::testing {

ScorerNeeds needs_of(const Subject& subject, const Scorer& scorer) {
  return or_skip(subject, [&] { return scorer.needs(); });
}

namespace {

constexpr std::int64_t kBatch = 37;
constexpr double kQuality = 1e-6;
constexpr double kUnlike = 1e-3;  // two SAEs' metrics, relative: nearer ones say nothing

// The metrics of the scorer on these SAEs of the toy world, in every parameter that names some.
std::vector<Metric> metrics_on(const Subject& subject, const std::vector<std::string>& saes) {
  Value options = subject.options(), list = Value::list();
  for (const std::string& sae : saes) list.push(Value(sae));
  bool named = false;
  for (const saffron_param& param : subject.params()) {
    if (param.type != SAFFRON_TYPE_REFERENCE || std::strcmp(param.component_kind, "sae") != 0 ||
        options.find(param.name) == nullptr) {
      continue;
    }
    const bool takes_list = (param.flags & SAFFRON_PARAM_LIST) != 0;
    if (!takes_list && saes.size() > 1) skip("scores one SAE at a time");
    options.set(param.name, takes_list ? list : Value(saes.front()));
    named = true;
  }
  if (!named) skip("names no SAE among its parameters");
  const auto scorer = or_skip(subject, [&] { return subject.make_with<Scorer>(options); });
  return Scoring(needs_of(subject, *scorer)).report(*scorer, kBatch).metrics;
}

bool has_value(const Metric& metric) {
  return metric.undefined.empty() && std::isfinite(metric.value);
}

const Metric* find(const std::vector<Metric>& metrics, const std::string& key,
                   const std::string& of) {
  const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const Metric& metric) {
    return metric.key == key && metric.subject == of && has_value(metric);
  });
  return found == metrics.end() ? nullptr : &*found;
}

}  // namespace

std::string title_of(const Metric& metric) {
  return cat("metric '", metric.key, "'", metric.subject.empty() ? "" : " of " + metric.subject);
}

// Two SAEs side by side, and each of them alone. Draws may depend on an SAE's place: what it is
// beside another one need only be nearer to itself than to the other.
Verdict saes_apart(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  const std::array<std::string, 2> names = {kPerfectSae, kNullSae};
  const std::vector<Metric> both = metrics_on(subject, {names[0], names[1]});
  const std::array alone = {metrics_on(subject, {names[0]}), metrics_on(subject, {names[1]})};
  int compared = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (const Metric& own : alone[i]) {
      const Metric* other = find(alone[1 - i], own.key, names[1 - i]);
      if (find(alone[i], own.key, names[i]) != &own || other == nullptr) continue;
      ++compared;
      const Metric* beside = find(both, own.key, names[i]);
      if (beside == nullptr) {
        fail(cat("scores '", names[0], "' and '", names[1], "' together without metric '", own.key,
                 "' of '", names[i], "', which it has alone"));
      }
      const double apart = std::abs(own.value - other->value);
      const bool unlike = apart > kUnlike * std::max(std::abs(own.value), std::abs(other->value));
      if (!unlike || std::abs(beside->value - own.value) <= apart / 2) continue;
      fail(cat(title_of(own), " is ", own.value, " alone and ", beside->value, " beside '",
               names[1 - i], "', of which it is ", other->value,
               ": is the one read in place of the other?"));
    }
  }
  if (compared == 0) skip("has no metric of each SAE");
  return {};
}

// Metrics of equal keys are compared in order: their subjects are the SAEs' names.
Verdict perfect_and_null_cases(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  const std::vector<Metric> perfect = metrics_on(subject, {kPerfectSae});
  std::multimap<std::string, const Metric*> by_key;
  const std::vector<Metric> null = metrics_on(subject, {kNullSae});
  for (const Metric& metric : null) by_key.emplace(metric.key, &metric);
  int compared = 0;
  for (const Metric& best : perfect) {
    const auto found = by_key.find(best.key);
    if (found == by_key.end()) continue;
    const Metric& worst = *found->second;
    by_key.erase(found);
    const bool valued = has_value(best) && has_value(worst);
    if (best.better == Better::neither || !valued) continue;
    ++compared;
    const double ahead =
        best.better == Better::higher ? best.value - worst.value : worst.value - best.value;
    if (ahead >= -kQuality * std::max(1.0, std::abs(best.value))) continue;
    // A metric of sparsity or size may well prefer it: only its author knows.
    warn(cat("metric '", best.key, "' (", best.better == Better::higher ? "higher" : "lower",
             " is better) is ", best.value, " for an SAE that gives every row back, and ",
             worst.value, " for one that gives their mean"));
  }
  if (compared == 0) skip("no metric says which direction is better");
  return {};
}

}  // namespace saffron::testing
