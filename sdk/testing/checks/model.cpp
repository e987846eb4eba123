#include "testing/checks/groups.h"
#include "testing/checks/model_checks.h"
#include "testing/made.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace saffron::testing {
namespace {

constexpr double kSame = 1e-5;   // of one computation that may be cut otherwise
constexpr double kBatch = 1e-4;  // other kernels for other batches
constexpr const char* kUnknown = "layers.0.no_such_site";

std::int64_t width_of(const Model& model, const std::string& site) {
  for (const SiteInfo& info : model.sites()) {
    if (info.name == site) return info.width;
  }
  return -1;
}

Verdict sites_are_listed(const Subject& subject) {
  const auto model = made<Model>(subject);
  std::set<std::string> seen;
  if (model->sites().empty()) fail("there is no site");
  for (const SiteInfo& site : model->sites()) {
    if (!seen.insert(site.name).second) fail(cat("two sites are called '", site.name, "'"));
    if (site.width < 1) fail(cat("site '", site.name, "' has width ", site.width));
    if (site.layer < -1 || site.layer >= model->info().layers) {
      fail(cat("site '", site.name, "' is of layer ", site.layer, " of ", model->info().layers));
    }
  }
  return {};
}

Verdict taps_have_declared_shapes(const Subject& subject) {
  const ModelRuns runs(subject);
  std::vector<std::string> all;
  for (const SiteInfo& site : runs.model->sites()) all.push_back(site.name);
  const RunResult result = runs.run(all);
  const std::int64_t B = runs.held.size(0), T = runs.held.size(1);
  if (result.taps.size() != all.size()) {
    fail(cat(all.size(), " taps were asked for, and ", result.taps.size(), " came"));
  }
  const auto expect = [&](const std::string& what, const at::Tensor& x, std::int64_t width) {
    if (!x.defined() || !x.is_floating_point() || x.sizes() != at::IntArrayRef({B, T, width})) {
      fail(cat(what, " is ", describe(x), ", expected floating [", B, ", ", T, ", ", width, "]"));
    }
    if (!all_finite(x)) fail(cat(what, " has a number that is not finite"));
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    expect(cat("the tap at '", all[i], "'"), result.taps[i], width_of(*runs.model, all[i]));
  }
  expect("the logits", result.logits, runs.model->info().vocabulary);
  return {};
}

Verdict taps_come_as_asked(const Subject& subject) {
  need_deterministic(subject);
  const ModelRuns runs(subject);
  const RunResult forwards = runs.run();
  const std::vector<std::string> back(runs.sites.rbegin(), runs.sites.rend());
  const RunResult backwards = runs.run(back);
  for (std::size_t i = 0; i < back.size(); ++i) {
    const at::Tensor& expected = forwards.taps.at(back.size() - 1 - i);
    if (distance(backwards.taps.at(i), expected) <= kSame) continue;
    fail(cat("with the taps asked for from last to first, number ", i, " is not '", back[i], "'"));
  }
  return {};
}

Verdict taps_are_the_callers(const Subject& subject) {
  const ModelRuns runs(subject);
  const RunResult before = runs.run();
  RunResult copies;
  for (const at::Tensor& tap : before.taps) copies.taps.push_back(tap.detach().clone());
  for (std::size_t i = 0; i < before.taps.size(); ++i) {
    before.taps[i].detach().zero_();
    for (std::size_t j = i + 1; j < before.taps.size(); ++j) {
      if (identical(before.taps[j], copies.taps[j])) continue;
      fail(cat("writing to the tap at '", runs.sites[i], "' changes the one at '", runs.sites[j],
               "'"));
    }
  }
  RunResult later = runs.run();
  later.logits.reset();
  const std::string differs = difference(copies, later, kSame);
  if (!differs.empty()) fail(cat("writing to taps changes later runs: ", differs));
  return {};
}

Verdict logits_only_when_asked(const Subject& subject) {
  const ModelRuns runs(subject);
  if (runs.run(runs.sites, {}, false).logits.defined()) fail("logits come without being asked for");
  if (!runs.run(runs.sites, {}, true).logits.defined())
    fail("no logits come where they are asked for");
  return {};
}

Verdict logits_change_no_taps(const Subject& subject) {
  need_deterministic(subject);
  const ModelRuns runs(subject);
  RunResult with = runs.run();
  with.logits.reset();
  for (std::size_t i = 0; i < runs.sites.size(); ++i) {
    const RunResult alone = runs.run({runs.sites[i]}, {}, false);
    const double apart = distance(alone.taps.at(0), with.taps.at(i));
    if (apart <= kSame) continue;
    fail(cat("the tap at '", runs.sites[i], "' differs by ", apart,
             " where the run stops there and where it goes on to the logits"));
  }
  return {};
}

Verdict unknown_site_refused(const Subject& subject) {
  const ModelRuns runs(subject, 1);
  must_refuse(cat("a tap at '", kUnknown, "'"), "invalid", ErrorKind::invalid,
              [&] { return runs.run({kUnknown}, {}, false); });
  const Edit edit = {kUnknown, [](const at::Tensor& x) { return x; }};
  must_refuse(cat("an edit at '", kUnknown, "'"), "invalid", ErrorKind::invalid,
              [&] { return runs.run({runs.sites[0]}, {edit}, false); });
  return {};
}

Verdict parameters_are_frozen(const Subject& subject) {
  const c10::AutoGradMode on(true);
  const ModelRuns runs(subject, 1);
  if (dynamic_cast<const Tunable*>(runs.model.get()) != nullptr) skip("its parameters are tunable");
  const RunResult result = runs.run();
  for (std::size_t i = 0; i < runs.sites.size(); ++i) {
    if (result.taps.at(i).requires_grad()) {
      fail(cat("without an edit the tap at '", runs.sites[i], "' requires gradients"));
    }
  }
  if (result.logits.requires_grad()) fail("without an edit the logits require gradients");
  return {};
}

// ModelInfo does not say whether a model is causal: one that generates is, of another it is likely.
Verdict causal(const Subject& subject) {
  need_deterministic(subject);
  const ModelRuns runs(subject);
  const std::int64_t T = runs.held.size(1), kept = T / 2;
  if (kept == 0) skip("its context is one token");
  at::Tensor other = runs.held.clone();
  at::Tensor later = other.narrow(1, kept, T - kept);
  later.copy_((later + 1).remainder(runs.model->info().vocabulary));
  const at::Tensor a = runs.run({}).logits.narrow(1, 0, kept);
  const at::Tensor b = runs.model->run(other, {}, {}, true).logits.narrow(1, 0, kept);
  const double apart = distance(a, b);
  if (apart <= kSame) return {};
  const std::string what =
      cat("other tokens from position ", kept, " on change earlier logits by ", apart);
  if (dynamic_cast<const Tunable*>(runs.model.get()) != nullptr) fail(what);
  warn(what + ": a model that generates must not look ahead");
}

Verdict batching_invariant(const Subject& subject) {
  need_deterministic(subject);
  const ModelRuns runs(subject, 5);
  const RunResult together = runs.run();
  for (const auto& [first, count] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {1, 4}}) {
    const RunResult part =
        runs.model->run(runs.held.narrow(0, first, count).clone(), runs.sites, {}, true);
    RunResult expected;
    for (const at::Tensor& tap : together.taps) {
      expected.taps.push_back(tap.narrow(0, first, count));
    }
    expected.logits = together.logits.narrow(0, first, count);
    const std::string differs = difference(expected, part, kBatch);
    if (!differs.empty()) {
      fail(cat("rows ", first, " to ", first + count - 1,
               " differ from what they are in a batch of ", runs.held.size(0), ": ", differs));
    }
  }
  return {};
}

constexpr Check kChecks[] = {
    {"sites-are-listed", "model", "sites have names of their own, a width and a layer", 1,
     sites_are_listed},
    {"taps-have-declared-shapes", "model",
     "taps are [B, T, width] and logits [B, T, vocabulary], all finite", 1,
     taps_have_declared_shapes},
    {"logits-only-when-asked", "model", "logits come when they are asked for", 1,
     logits_only_when_asked},
    {"unknown-site-refused", "model", "a tap or an edit at an unknown site is refused", 2,
     unknown_site_refused},
    {"taps-come-as-asked", "model", "taps come in the order asked for", 2, taps_come_as_asked},
    {"logits-change-no-taps", "model", "a run that stops early has the same taps", 2,
     logits_change_no_taps},
    {"batching-invariant", "model", "a row is the same in any batch", 2, batching_invariant},
    {"identity-edit-changes-nothing", "model",
     "an edit that returns what it is given changes nothing", 2, identity_edit_changes_nothing},
    {"edit-leaves-no-trace", "model", "after a run with edits a plain one is what it was before", 1,
     edit_leaves_no_trace},
    {"throwing-edit-leaves-no-trace", "model",
     "an edit's exception comes out, and the next run is what it was before", 3,
     throwing_edit_leaves_no_trace},
    {"edits-are-called-once", "model", "an edit is called once a run, with its site's activation",
     2, edits_are_called_once},
    {"edits-apply-in-order", "model", "edits at one site follow each other as given", 3,
     edits_apply_in_order},
    {"edits-are-felt", "model", "what comes after an edited site reads what the edit returned", 2,
     edits_are_felt},
    {"taps-after-edits", "model", "a tap shows what the edits at its site returned", 2,
     taps_after_edits},
    {"taps-are-the-callers", "model", "who writes to a tap changes neither another nor a later run",
     4, taps_are_the_callers},
    {"causal", "model", "later tokens change no earlier logits", 2, causal},
    {"parameters-are-frozen", "model", "no gradient reaches its parameters", 3,
     parameters_are_frozen},
    {"edit-gradient-matches-finite-difference", "model",
     "gradients through an edit are the derivatives of the logits", 3,
     edit_gradient_matches_finite_difference},
    {"layer-map-applies", "model", "a layer map takes one site's activation to the other's", 3,
     layer_map_applies},
    {"layer-map-matches-autograd", "model", "a layer map's jacobian is that of its apply", 3,
     layer_map_matches_autograd},
    {"layer-map-rows-differentiable", "model",
     "a layer map's jacobian is differentiable in both rows", 3, layer_map_rows_differentiable},
    {"unknown-layer-map-refused", "model", "a layer map that there is not is refused", 3,
     unknown_layer_map_refused},
    {"tokenizer-roundtrip", "model", "its tokenizer gives texts back", 3, tokenizer_roundtrip},
    {"tokenizer-fits-the-model", "model", "its tokenizer's ids are in its vocabulary", 2,
     tokenizer_fits_the_model},
};

}  // namespace

ModelRuns::ModelRuns(const Subject& subject, std::int64_t rows)
    : ModelRuns(subject, made<Model>(subject), rows) {}

ModelRuns::ModelRuns(const Subject& subject, std::shared_ptr<Model> made, std::int64_t rows)
    : model(std::move(made)),
      held(random_tokens(model->info(), subject.random("tokens"), rows)),
      sites(some_sites(*model, 8)) {}

std::string difference(const RunResult& a, const RunResult& b, double tolerance) {
  Observed left, right;
  for (auto [result, out] : {std::pair{&a, &left}, {&b, &right}}) {
    for (std::size_t i = 0; i < result->taps.size(); ++i) out->add(cat("tap ", i), result->taps[i]);
    out->add("logits", result->logits);
  }
  return difference(left, right, tolerance);
}

PreciseModel precise_model(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  Value options = subject.options();
  for (const saffron_param& param : subject.params()) {
    const auto* end = param.choices + param.choice_count;
    const bool offered = std::any_of(
        param.choices, end, [](const char* choice) { return std::strcmp(choice, "float64") == 0; });
    if (offered && std::strcmp(param.name, "dtype") == 0) options.set("dtype", Value("float64"));
  }
  PreciseModel out;
  out.model = or_skip(subject, [&] {
    return std::static_pointer_cast<Model>(subject.create(options, {.dtype = at::kDouble}));
  });
  const ModelRuns runs(subject, out.model, 1);
  out.doubles = runs.run({runs.sites[0]}, {}, false).taps.at(0).scalar_type() == at::kDouble;
  return out;
}

std::span<const Check> model_checks() { return kChecks; }

}  // namespace saffron::testing
