#include "testing/drivers/loss.h"

#include "testing/drivers/kinds.h"
#include "testing/expect.h"
#include "testing/uses.h"

#include <saffron/error.h>
#include <saffron/testing/gradient_checker.h>

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <set>

namespace saffron::testing {
namespace {

constexpr std::int64_t kMostSaes = 4;  // that it is offered
constexpr std::int64_t kManySaes = 3;  // enough to see what happens to the others
constexpr std::int64_t kGradientRows = 6;
constexpr std::size_t kLeaves = 5;  // of an SAE: leaf_name()
constexpr double kGradientTolerance = 1e-5;
constexpr double kLeastUnit = 1e-6;  // of the loss: smaller derivatives drown in its rounding
// A slow loss is compared at fewer entries, so that the check ends well before its time is up.
constexpr double kGradientSeconds = 10;
constexpr double kEvaluations = 20;  // an entry, about

[[noreturn]] void skip_refused(const std::string& refusal) {
  skip(cat("takes no step of one to ", kMostSaes, " toy SAEs: ", refusal));
}

class RegularizerDriver final : public DriverOf<Regularizer> {
 public:
  using DriverOf::DriverOf;
  // How many SAEs it takes shows at the first use, and on no other instance: the first one of a
  // process must see nothing but its own inputs.
  [[nodiscard]] Observed use(Inputs& inputs) override {
    if (toys_) return observe(*toys_, inputs);
    for (std::int64_t saes = 1;; ++saes) {
      Inputs tried = inputs;
      ToyStep toys(saes);
      try {
        const auto* checks = dynamic_cast<const ChecksSaes*>(component_.get());
        if (checks != nullptr) checks->check(toys.saes());
        Observed out = observe(toys, tried);
        inputs = tried;
        toys_.emplace(std::move(toys));
        return out;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid) throw;
        if (saes < kMostSaes) continue;
        if (inputs.variant().dtype != at::kFloat) throw;
        skip_refused(error.message());
      }
    }
  }

 private:
  [[nodiscard]] Observed observe(const ToyStep& toys, Inputs& inputs) {
    Observed out;
    observe_loss([&](const TrainStep& step) { return component_->penalty(step); }, toys, inputs,
                 out);
    return out;
  }
  std::optional<ToyStep> toys_;
};

class ObjectiveDriver final : public DriverOf<Objective> {
 public:
  ObjectiveDriver(const Subject& subject, const Subject::Setup& setup)
      : DriverOf(subject, setup), toys_(1) {}
  [[nodiscard]] Observed use(Inputs& inputs) override {
    Observed out;
    observe_loss([&](const TrainStep& step) { return component_->loss(step); }, toys_, inputs, out);
    return out;
  }

 private:
  ToyStep toys_;
};

constexpr Powers kLossPowers{
    .rows = true, .strided = true, .dtype = true, .gradients = true, .codes = true};

}  // namespace

const KindDriver kRegularizerDriver{Regularizer::kKind, kLossPowers, drive<RegularizerDriver>};
const KindDriver kObjectiveDriver{Objective::kKind, kLossPowers, drive<ObjectiveDriver>};

namespace {

// Why a fresh instance does not take a step of that many toy SAEs; "" where it does.
std::string refusal_of(const Subject& subject, std::int64_t saes) {
  const auto regularizer = subject.make<Regularizer>();
  const ToyStep toys(saes);
  Inputs inputs(drawn(subject));
  try {
    const auto* checks = dynamic_cast<const ChecksSaes*>(regularizer.get());
    if (checks != nullptr) checks->check(toys.saes());
    static_cast<void>(regularizer->penalty(*toys.step(toys.leaves(inputs), inputs)));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid) return error.message();
  }
  return {};
}

}  // namespace

std::int64_t saes_for(const Subject& subject) {
  std::string first;  // the one to show
  for (std::int64_t saes = 1; saes <= kMostSaes; ++saes) {
    const std::string refusal = refusal_of(subject, saes);
    if (refusal.empty()) return saes;
    if (first.empty()) first = refusal;
  }
  skip_refused(first);
}

std::int64_t most_saes(const Subject& subject) {
  if (refusal_of(subject, kMostSaes).empty() && !refusal_of(subject, kManySaes).empty())
    return kMostSaes;
  std::int64_t saes = kManySaes;
  while (saes > 0 && !refusal_of(subject, saes).empty()) --saes;
  return saes;
}

void observe_loss(const StepLoss& loss, const ToyStep& toys, Inputs& inputs, Observed& out) {
  std::vector<StepLeaves> leaves = toys.leaves(inputs);
  const bool graph = c10::GradMode::is_enabled();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const std::vector<at::Tensor> all = leaves[i].all();
    for (std::size_t n = 0; n < all.size(); ++n) {
      inputs.watch(cat(leaf_name(n), " ", i), all[n].requires_grad_(true));
    }
  }
  const auto step = toys.step(leaves, inputs);
  const at::Tensor value = loss(*step);
  out.add("loss", value);
  if (!graph || !value.defined() || value.numel() != 1 || !value.requires_grad()) return;
  value.backward();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const std::vector<at::Tensor> all = leaves[i].all();
    for (std::size_t n = 0; n < all.size(); ++n) {
      out.note(cat("gradient of ", leaf_name(n), " ", i), all[n].grad());
    }
  }
}

void check_scalar_and_finite(const at::Tensor& loss, const char* what) {
  if (!loss.defined() || loss.numel() != 1 || !loss.is_floating_point()) {
    fail(cat("the ", what, " is ", describe(loss), ", not one number"));
  }
  if (!all_finite(loss)) fail(cat("the ", what, " is ", loss.item<double>()));
}

void check_ends_of_run(const Subject& subject, const std::function<StepLoss()>& make,
                       std::int64_t saes, const char* what) {
  const ToyStep toys(saes);
  const auto at_step = [&](std::optional<std::int64_t> number) {
    Inputs inputs(drawn(subject));
    return make()(*toys.step(toys.leaves(inputs), inputs, number));
  };
  const at::Tensor usual = at_step({});
  need_number(usual);
  if (!all_finite(usual)) skip("see scalar-and-finite");
  constexpr const char* kHint =
      "; step() goes from 0 to steps() - 1, and ramps begin and end there";
  for (const std::int64_t number : {std::int64_t{0}, ToyStep::kSteps - 1}) {
    const std::string where = cat("step() ", number, " of ", ToyStep::kSteps);
    at::Tensor loss;
    try {
      loss = at_step(number);
    } catch (const std::exception& error) {
      fail(cat("at ", where, " it throws: ", words_of(error), kHint));
    }
    need_number(loss);
    if (!all_finite(loss)) {
      fail(cat("at ", where, " the ", what, " is ", loss.item<double>(), kHint));
    }
  }
}

void need_number(const at::Tensor& loss) {
  if (!loss.defined() || loss.numel() != 1) skip("see scalar-and-finite");
}

namespace {

// The largest derivative where that is below 1, else 1; not beneath what the loss's digits can show.
double unit_of(const GradientChecker::Function& loss, const std::vector<at::Tensor>& at) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& leaf : at) leaves.push_back(leaf.detach().clone().requires_grad_(true));
  const at::Tensor value = loss(leaves);
  if (!value.requires_grad()) return 1;
  value.backward();
  double largest = 0;
  for (const at::Tensor& leaf : leaves) {
    if (leaf.grad().defined()) largest = std::max(largest, leaf.grad().abs().max().item<double>());
  }
  if (largest == 0) return 1;
  return std::max(std::min(1.0, largest), kLeastUnit * std::abs(value.item<double>()));
}

void need_names(const std::vector<std::string>& pseudo) {
  std::string all;
  std::set<std::string> names;
  for (std::size_t i = 0; i < kLeaves; ++i) {
    all += cat(i == 0 ? "" : i + 1 == kLeaves ? " and " : ", ", leaf_name(i));
    names.insert(leaf_name(i));
  }
  for (const std::string& name : pseudo) {
    if (names.contains(name)) continue;
    fail(cat("pseudo_gradients() names '", name, "', which is none of ", all));
  }
}

// Codes with no entry at 0, where sparse penalties have their kinks.
at::Tensor off_zero(const at::Tensor& codes, const Random& random) {
  const at::Tensor u = random.uniform_rows(0, codes.size(0), codes.size(1), codes.scalar_type());
  return codes + 0.1 + 0.4 * u;
}

}  // namespace

void check_gradient(const Subject& subject, const std::function<StepLoss()>& make,
                    std::int64_t saes, const std::vector<std::string>& pseudo,
                    std::int64_t entries) {
  const Variant variant = drawn(subject, {.rows = kGradientRows, .dtype = at::kDouble});
  const ToyStep toys(saes);
  Inputs inputs(variant);
  std::vector<at::Tensor> flat;
  for (const StepLeaves& leaves : toys.leaves(inputs)) {
    for (const at::Tensor& leaf : leaves.all()) flat.push_back(leaf);
  }
  GradientChecker::Options options{.tolerance = kGradientTolerance,
                                   .step = 1e-3,
                                   .entries = entries,
                                   .seed = subject.random("gradient").key()};
  for (std::size_t i = 0; i < flat.size(); ++i) {
    if (std::find(pseudo.begin(), pseudo.end(), leaf_name(i % kLeaves)) != pseudo.end()) {
      options.excused.push_back(i);
    }
  }
  if (options.excused.size() == flat.size())
    skip("declares that none of its gradients is a derivative");
  need_names(pseudo);
  const auto value = [&](const std::vector<at::Tensor>& at) {
    std::vector<at::Tensor> own;  // who writes to them changes no other evaluation
    for (const at::Tensor& leaf : at) own.push_back(leaf.clone());
    std::vector<StepLeaves> leaves;
    for (std::size_t i = 0; i < own.size(); i += kLeaves) {
      leaves.push_back(StepLeaves::from(std::span(own).subspan(i, kLeaves)));
    }
    Inputs again(variant);
    const at::Tensor loss = make()(*toys.step(leaves, again));
    need_number(loss);
    return loss;
  };
  const auto start = std::chrono::steady_clock::now();
  options.unit = unit_of(value, flat);
  const std::chrono::duration<double> once = std::chrono::steady_clock::now() - start;
  const double evaluations = kGradientSeconds / once.count() / static_cast<double>(flat.size());
  options.entries =
      std::clamp(static_cast<std::int64_t>(evaluations / kEvaluations), std::int64_t{1}, entries);
  const GradientChecker checker(value, options);
  GradientReport report = checker.check(flat);
  if (report.mismatches.empty() && !report.ok()) {
    for (std::size_t i = 0; i < flat.size(); i += kLeaves) {
      flat[i] = off_zero(flat[i], subject.random("off zero").fork(i));
    }
    report = checker.check(flat);
  }
  if (report.ok()) return;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < flat.size(); ++i) {
    names.push_back(cat(leaf_name(i % kLeaves), i < kLeaves ? "" : cat(" of SAE ", i / kLeaves)));
  }
  fail(report.text(names));
}

}  // namespace saffron::testing
