#include "testing/checks/again.h"
#include "testing/checks/groups.h"
#include "testing/checks/scorer_saes.h"
#include "testing/made.h"
#include "testing/scoring.h"

#include <saffron/range.h>
#include <saffron/testing/toys.h>

#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace saffron::testing {
namespace {

constexpr double kRounding = 1e-5;    // sums in another order, perhaps in float32
constexpr double kRangeSlack = 1e-9;  // a cosine may be 1 + 1e-16
constexpr std::int64_t kBatch = 37;
constexpr const char* kBatchingInvariant = "batching-invariant";

// What differs, the texts first; "" when the numbers are that near.
std::string difference(const Report& a, const Report& b, double tolerance) {
  Observed left, right;
  for (auto [report, out] : {std::pair{&a, &left}, {&b, &right}}) {
    const FlatReport parts = flat(*report);
    out->add("the report's text", parts.text);
    out->add("the report's numbers", parts.numbers);
  }
  return difference(left, right, tolerance);
}

std::shared_ptr<Scorer> row_scorer(const Subject& subject) {
  auto scorer = made<Scorer>(subject);
  if (!needs_of(subject, *scorer).rows_wanted) skip("reads no rows");
  return scorer;
}

Verdict needs_name_saes(const Subject& subject) {
  const auto scorer = row_scorer(subject);
  const ScorerNeeds needs = needs_of(subject, *scorer);
  if (needs.saes.empty()) fail("wants rows, but needs().saes is empty: of which source?");
  for (const TrainedSae* sae : needs.saes) {
    if (sae == nullptr) fail("needs().saes holds a null pointer");
    if (sae->source_name != needs.saes.front()->source_name) {
      fail(cat("needs().saes are of two sources, '", needs.saes.front()->source_name, "' and '",
               sae->source_name, "'"));
    }
  }
  return {};
}

Verdict batching_invariant(const Subject& subject) {
  need_deterministic(subject);
  const auto scorer = row_scorer(subject);
  const Scoring scoring(needs_of(subject, *scorer));
  if (scoring.in_contexts()) skip("reads contexts, whose batches are the source's blocks");
  const Report one = scoring.report(*scorer, scoring.rows());
  const Report many = scoring.report(*scorer, kBatch);
  const std::string differs = difference(one, many, kRounding);
  if (!differs.empty()) {
    fail(cat("one batch of ", scoring.rows(), " rows and batches of ", kBatch,
             " differ: ", differs));
  }
  return {};
}

Verdict merging_invariant(const Subject& subject) {
  need_deterministic(subject);
  const c10::AutoGradMode no_grad(false);
  const auto scorer = row_scorer(subject);
  const Scoring scoring(needs_of(subject, *scorer));
  const Scoring::Cuts cuts = scoring.cuts(kBatch);
  const auto half = cuts.begin() + static_cast<std::ptrdiff_t>(cuts.size() / 2);
  const auto one = scorer->begin(), first = scorer->begin(), second = scorer->begin();
  scoring.add(*one, cuts);
  scoring.add(*first, {cuts.begin(), half});
  scoring.add(*second, {half, cuts.end()});
  first->merge(*second);
  const std::string differs = difference(one->finish(), first->finish(), kRounding);
  if (!differs.empty()) {
    leave_to(
        subject, kBatchingInvariant,
        cat("two accumulators of half the rows each, merged, and one of all differ: ", differs));
  }
  // A rank may have seen no rows, and so may the one that it is merged into.
  const auto full = scorer->begin(), none = scorer->begin();
  none->merge(*scorer->begin());
  scoring.add(*full, cuts);
  full->merge(*scorer->begin());
  none->merge(*full);
  const Report all = full->finish();
  const std::string of_none = difference(scoring.report(*scorer, kBatch), all, kRounding);
  if (!of_none.empty()) {
    leave_to(subject, kBatchingInvariant,
             cat("merging an accumulator that saw no rows changes the report: ", of_none));
  }
  const std::string into_none = difference(all, none->finish(), kRounding);
  if (!into_none.empty()) {
    fail(cat("merged into an accumulator that saw no rows, one of all rows has another report: ",
             into_none));
  }
  return {};
}

// As between ranks: values travel as JSON, tensors as bytes.
State sent(const State& state) {
  State out;
  for (const auto& [name, tensor] : state.tensors)
    out.tensors.set(name, tensor.contiguous().clone());
  out.values = from_json(to_json(state.values), "state");
  return out;
}

// Of a rank that has seen no rows yet. JSON has no infinite numbers.
void check_empty_state(const Scorer& scorer, const Scoring& scoring) {
  const auto loaded = scorer.begin();
  try {
    loaded->load(sent(scorer.begin()->save()));
  } catch (const std::exception& error) {
    fail(cat("an accumulator that saw no rows, saved, does not load: ", words_of(error)));
  }
  scoring.add(*loaded, scoring.cuts(kBatch));
  const std::string differs =
      difference(scoring.report(scorer, kBatch), loaded->finish(), kRounding);
  if (differs.empty()) return;
  fail(cat("an accumulator that is saved and loaded before it saw a row has another report: ",
           differs));
}

Verdict accumulator_state_roundtrip(const Subject& subject) {
  need_deterministic(subject);
  const c10::AutoGradMode no_grad(false);
  const auto scorer = row_scorer(subject);
  const Scoring scoring(needs_of(subject, *scorer));
  const Scoring::Cuts cuts = scoring.cuts(kBatch);
  const auto half = cuts.begin() + static_cast<std::ptrdiff_t>(cuts.size() / 2);
  const auto straight = scorer->begin(), loaded = scorer->begin();
  scoring.add(*straight, {cuts.begin(), half});
  const State saved = straight->save();
  scoring.add(*straight, {half, cuts.end()});  // a State is a copy: it stays as it was
  loaded->load(sent(saved));
  scoring.add(*loaded, {half, cuts.end()});
  const std::string differs = difference(straight->finish(), loaded->finish(), kRounding);
  if (!differs.empty()) {
    leave_to(subject, kBatchingInvariant,
             cat("an accumulator that is saved and loaded half-way has another report: ", differs));
  }
  check_empty_state(*scorer, scoring);
  return {};
}

Verdict codes_in_any_layout(const Subject& subject) {
  need_deterministic(subject);
  const auto scorer = row_scorer(subject);
  Scoring scoring(needs_of(subject, *scorer));
  const Report dense = scoring.report(*scorer, kBatch);
  for (const auto& [name, layout] :
       {std::pair{"csr", Codes::Layout::csr}, {"topk", Codes::Layout::topk}}) {
    scoring.set_layout(layout);
    const std::string differs = difference(dense, scoring.report(*scorer, kBatch), kRounding);
    if (!differs.empty()) fail(cat("the same codes as dense and as ", name, " differ: ", differs));
  }
  return {};
}

Report report_of(const Subject& subject) {
  const auto scorer = made<Scorer>(subject);
  return Scoring(needs_of(subject, *scorer)).report(*scorer, kBatch);
}

Verdict metrics_are_defined(const Subject& subject) {
  for (const Metric& metric : report_of(subject).metrics) {
    if (metric.key.empty()) fail("a metric has no key");
    if (metric.definition.empty()) fail(cat(title_of(metric), " has no definition"));
  }
  return {};
}

Verdict metric_keys_unique(const Subject& subject) {
  std::set<std::pair<std::string, std::string>> seen;
  for (const Metric& metric : report_of(subject).metrics) {
    if (!seen.insert({metric.key, metric.subject}).second)
      fail(cat(title_of(metric), " comes twice"));
  }
  return {};
}

Verdict declared_range(const Subject& subject) {
  int seen = 0;
  for (const Metric& metric : report_of(subject).metrics) {
    if (!metric.undefined.empty() || !std::isfinite(metric.value)) continue;
    const double slack = kRangeSlack * std::max(1.0, std::abs(metric.value));
    ++seen;
    if (in_range(metric.range, metric.value) || in_range(metric.range, metric.value - slack) ||
        in_range(metric.range, metric.value + slack)) {
      continue;
    }
    fail(cat(title_of(metric), " is ", metric.value, ", outside of its range ", metric.range));
  }
  if (seen == 0) skip("no metric has a value");
  return {};
}

// On many rows and on hardly any.
Verdict undefined_has_reason(const Subject& subject) {
  const auto scorer = made<Scorer>(subject);
  const Scoring scoring(needs_of(subject, *scorer));
  const auto look = [](const Report& report, const char* on) {
    for (const Metric& metric : report.metrics) {
      if (std::isfinite(metric.value) || !metric.undefined.empty()) continue;
      fail(cat(title_of(metric), " is ", metric.value, on, ", and `undefined` does not say why"));
    }
  };
  look(scoring.report(*scorer, kBatch), "");
  if (!scoring.wants_rows()) return {};
  const c10::AutoGradMode no_grad(false);
  const auto few = scorer->begin();
  scoring.add(*few, {scoring.cuts(1).front()});
  look(few->finish(), scoring.in_contexts() ? " on one block" : " on one row");
  return {};
}

Verdict report_roundtrip(const Subject& subject) {
  const Value written = to_value(report_of(subject));
  const Value read = to_value(report_from_value(from_json(to_json(written), "report")));
  if (!(written == read)) fail("its report, written and read again, is another one");
  return {};
}

constexpr Check kChecks[] = {
    {"needs-name-saes", "scorer", "a scorer that wants rows names SAEs of one source", 1,
     needs_name_saes},
    {kBatchingInvariant, "scorer", "one batch and many make one report", 2, batching_invariant},
    {"merging-invariant", "scorer", "accumulators of two halves, merged, make the report of one", 2,
     merging_invariant},
    {"accumulator-state-roundtrip", "scorer", "save and load carry an accumulator elsewhere", 2,
     accumulator_state_roundtrip},
    {"codes-in-any-layout", "scorer", "dense, csr and topk codes make one report", 3,
     codes_in_any_layout},
    {"saes-apart", "scorer", "of several SAEs, each has the metrics that it has alone", 2,
     saes_apart},
    {"metrics-are-defined", "scorer", "every metric has a key and a formula", 3,
     metrics_are_defined},
    {"metric-keys-unique", "scorer", "no metric comes twice for one subject", 2,
     metric_keys_unique},
    {"declared-range", "scorer", "values are in the range that their metric declares", 3,
     declared_range},
    {"undefined-has-reason", "scorer", "a metric without a finite value says why", 3,
     undefined_has_reason},
    {"report-roundtrip", "scorer", "the report is well-formed: written and read, it is the same", 1,
     report_roundtrip},
    {"perfect-and-null-cases", "scorer",
     "no metric prefers an SAE that reconstructs the mean to one that reconstructs everything", 4,
     perfect_and_null_cases},
};

}  // namespace

std::span<const Check> scorer_checks() { return kChecks; }

}  // namespace saffron::testing
