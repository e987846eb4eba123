#include "testing/checks/again.h"
#include "testing/checks/model_checks.h"
#include "testing/driver.h"
#include "testing/expect.h"

#include <saffron/testing/gradient_checker.h>

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <stdexcept>

namespace saffron::testing {
namespace {

constexpr double kSame = 1e-5;
constexpr double kUnfelt = 1e-6;  // of logits, for an edit of about 1
constexpr std::size_t kEdited = 3;
constexpr std::int64_t kLarge = 1'000'000;  // parameters: more make hundreds of runs expensive

std::vector<std::string> edited_sites(const ModelRuns& runs) {
  return some_sites(*runs.model, kEdited);
}

struct Thrown final : std::runtime_error {
  Thrown() : std::runtime_error("an edit's own exception") {}
};

// What a model does that calls no edit, is given another tensor, or calls it twice.
[[noreturn]] void fail_edit(const Subject& subject, const std::string& found) {
  leave_to(subject, "edits-are-called-once", found);
}

// Another value at each element, about 1.
at::Tensor noise_like(const Subject& subject, const at::Tensor& x) {
  return subject.random("noise")
      .normal_rows(0, x.numel() / x.size(-1), x.size(-1))
      .view_as(x)
      .to(x);
}

}  // namespace

Verdict identity_edit_changes_nothing(const Subject& subject) {
  need_deterministic(subject);
  const ModelRuns runs(subject);
  const RunResult plain = runs.run();
  for (const std::string& site : edited_sites(runs)) {
    const RunResult edited = runs.run(runs.sites, {{site, [](const at::Tensor& x) { return x; }}});
    const std::string differs = difference(plain, edited, kSame);
    if (!differs.empty()) fail(cat("the edit x -> x at '", site, "' changes ", differs));
  }
  return {};
}

Verdict edit_leaves_no_trace(const Subject& subject) {
  need_deterministic(subject);
  const ModelRuns runs(subject);
  const RunResult before = runs.run();
  for (const std::string& site : edited_sites(runs)) {
    static_cast<void>(
        runs.run(runs.sites, {{site, [](const at::Tensor& x) { return x * 0.5 + 1; }}}));
    const std::string differs = difference(before, runs.run(), kSame);
    if (!differs.empty()) {
      fail(cat("after a run with an edit at '", site,
               "' a plain run differs from one before: ", differs));
    }
  }
  return {};
}

Verdict throwing_edit_leaves_no_trace(const Subject& subject) {
  need_deterministic(subject);
  const ModelRuns runs(subject);
  const RunResult before = runs.run();
  const std::vector<std::string> sites = edited_sites(runs);
  const std::vector<Edit> edits = {
      {sites.front(), [](const at::Tensor& x) { return x * 0.5 + 1; }},
      {sites.back(), [](const at::Tensor&) -> at::Tensor { throw Thrown(); }}};
  bool thrown = false;
  try {
    static_cast<void>(runs.run(runs.sites, edits));
  } catch (const std::exception&) {
    thrown = true;
  }
  if (!thrown) fail("an exception that an edit throws does not come out of run()");
  const std::string differs = difference(before, runs.run(), kSame);
  if (!differs.empty()) fail(cat("after an edit that threw a plain run differs: ", differs));
  return {};
}

Verdict edits_are_called_once(const Subject& subject) {
  const ModelRuns runs(subject);
  for (const std::string& site : edited_sites(runs)) {
    const at::Tensor expected = runs.run({site}, {}, false).taps.at(0);
    for (const bool logits : {true, false}) {
      int calls = 0;
      at::Tensor given;
      const Edit edit = {site, [&](const at::Tensor& x) {
                           ++calls;
                           given = x.detach().clone();
                           return x * 0.5;
                         }};
      static_cast<void>(runs.run({}, {edit}, logits));
      if (calls != 1) fail(cat("the edit at '", site, "' is called ", calls, " times a run"));
      if (given.sizes() != expected.sizes() || distance(given, expected) > kSame) {
        fail(cat("the edit at '", site, "' is given ", describe(given),
                 " that is not the activation tapped there, ", describe(expected)));
      }
    }
  }
  return {};
}

Verdict edits_apply_in_order(const Subject& subject) {
  const ModelRuns runs(subject);
  for (const std::string& site : edited_sites(runs)) {
    at::Tensor first, given;
    const std::vector<Edit> edits = {{site,
                                      [&](const at::Tensor& x) {
                                        at::Tensor out = x + 1;
                                        first = out.detach().clone();
                                        return out;
                                      }},
                                     {site, [&](const at::Tensor& x) {
                                        given = x.detach().clone();
                                        return x * 2;
                                      }}};
    static_cast<void>(runs.run({}, edits));
    if (!given.defined()) fail_edit(subject, cat("the second edit at '", site, "' is not called"));
    if (!first.defined() || distance(given, first) > kSame) {
      fail_edit(subject,
                cat("the second edit at '", site, "' is not given what the first returned"));
    }
  }
  return {};
}

Verdict edits_are_felt(const Subject& subject) {
  const ModelRuns runs(subject);
  const at::Tensor plain = runs.run({}).logits;
  for (const std::string& site : edited_sites(runs)) {
    const Edit edit = {site, [&](const at::Tensor& x) { return x + noise_like(subject, x); }};
    if (distance(plain, runs.run({}, {edit}).logits) > kUnfelt) continue;
    fail_edit(subject, cat("noise added by an edit at '", site, "' changes no logit"));
  }
  return {};
}

Verdict taps_after_edits(const Subject& subject) {
  const ModelRuns runs(subject);
  for (const std::string& site : edited_sites(runs)) {
    at::Tensor returned;
    const Edit edit = {site, [&](const at::Tensor& x) {
                         const at::Tensor out = x + noise_like(subject, x);
                         returned = out.detach().clone();
                         return out;
                       }};
    const at::Tensor tap = runs.run({site}, {edit}, false).taps.at(0);
    if (returned.defined() && distance(tap, returned) <= kSame) continue;
    fail_edit(subject, cat("the tap at '", site, "' is not what the edit there returned"));
  }
  return {};
}

// f(delta) = <direction, logits> with x + delta in place of x.
Verdict edit_gradient_matches_finite_difference(const Subject& subject) {
  const PreciseModel precise = precise_model(subject);
  const ModelRuns runs(subject, precise.model, 1);
  const bool large = precise.model->info().parameters > kLarge;
  GradientChecker::Options options;
  options.entries = large ? 1 : 4;
  options.directions = large ? 1 : 2;
  options.tolerance = precise.doubles ? 1e-5 : 2e-2;
  options.step = precise.doubles ? 1e-2 : 5e-2;
  for (const std::string& site : large ? some_sites(*runs.model, 1) : edited_sites(runs)) {
    const at::Tensor x = runs.run({site}, {}, false).taps.at(0).detach();
    const auto f = [&](const std::vector<at::Tensor>& leaves) {
      const Edit edit = {site, [&](const at::Tensor& at) { return at + leaves[0].to(at); }};
      const at::Tensor logits = runs.run({}, {edit}).logits;
      at::Tensor direction = noise_like(subject, logits.detach());
      direction = direction / direction.norm();
      return (logits * direction).sum().to(at::kDouble);
    };
    const at::Tensor delta = x.to(at::kDouble) * 0;
    if (!f({delta.clone().requires_grad_()}).requires_grad()) {
      fail_edit(subject, cat("no gradient reaches a tensor that an edit at '", site, "' adds"));
    }
    const GradientReport report = GradientChecker(f, options).check({delta});
    if (!report.ok()) {
      const std::string text = report.text();
      fail_edit(subject, cat("the gradient through an edit at '", site,
                             "' is not the derivative: ", text.substr(0, text.find('\n'))));
    }
  }
  return {};
}

}  // namespace saffron::testing
