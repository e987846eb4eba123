#include "testing/drivers/loss.h"

#include "testing/drivers/kinds.h"
#include "testing/expect.h"

#include <saffron/error.h>
#include <saffron/testing/gradient_checker.h>

#include <c10/core/GradMode.h>

namespace saffron::testing {
namespace {

constexpr std::int64_t kMostSaes = 3;
constexpr std::int64_t kGradientRows = 6;
constexpr double kGradientTolerance = 1e-5;

class RegularizerDriver final : public DriverOf<Regularizer> {
 public:
  RegularizerDriver(const Subject& subject, const Subject::Setup& setup)
      : DriverOf(subject, setup), toys_(saes_for(subject)) {}
  [[nodiscard]] Observed use(Inputs& inputs) override {
    Observed out;
    observe_loss([&](const TrainStep& step) { return component_->penalty(step); }, toys_, inputs,
                 out);
    return out;
  }

 private:
  ToyStep toys_;
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

constexpr Powers kLossPowers{.rows = true, .strided = true, .dtype = true, .gradients = true};

}  // namespace

const KindDriver kRegularizerDriver{Regularizer::kKind, kLossPowers, drive<RegularizerDriver>};
const KindDriver kObjectiveDriver{Objective::kKind, kLossPowers, drive<ObjectiveDriver>};

std::int64_t saes_for(const Subject& subject) {
  std::string refusal;
  for (std::int64_t saes = 1; saes <= kMostSaes; ++saes) {
    const auto regularizer = subject.make<Regularizer>();
    const ToyStep toys(saes);
    Inputs inputs{Variant()};
    try {
      const auto* checks = dynamic_cast<const ChecksSaes*>(regularizer.get());
      if (checks != nullptr) checks->check(toys.saes());
      static_cast<void>(regularizer->penalty(*toys.step(toys.leaves(inputs), inputs)));
      return saes;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::invalid) return saes;
      refusal = error.message();
    }
  }
  skip(cat("takes no step of one to ", kMostSaes, " toy SAEs: ", refusal));
}

void observe_loss(const StepLoss& loss, const ToyStep& toys, Inputs& inputs, Observed& out) {
  std::vector<StepLeaves> leaves = toys.leaves(inputs);
  const bool graph = c10::GradMode::is_enabled();
  for (StepLeaves& of : leaves) {
    for (at::Tensor leaf : of.all()) leaf.requires_grad_(true);
  }
  const auto step = toys.step(leaves, inputs);
  const at::Tensor value = loss(*step);
  out.add("loss", value);
  if (!graph || !value.defined() || value.numel() != 1 || !value.requires_grad()) return;
  value.backward();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const std::vector<at::Tensor> all = leaves[i].all();
    for (std::size_t n = 0; n < all.size(); ++n) {
      out.add(cat("gradient of ", leaf_name(n), " ", i), all[n].grad());
    }
  }
}

void check_scalar_and_finite(const at::Tensor& loss, const char* what) {
  if (!loss.defined() || loss.numel() != 1 || !loss.is_floating_point()) {
    fail(cat("the ", what, " is ", describe(loss), ", not one number"));
  }
  if (!all_finite(loss)) fail(cat("the ", what, " is ", loss.item<double>()));
}

void need_number(const at::Tensor& loss) {
  if (!loss.defined() || loss.numel() != 1) skip("see scalar-and-finite");
}

void check_gradient(const std::function<StepLoss()>& fresh, std::int64_t saes, std::uint64_t seed) {
  const ToyStep toys(saes);
  Inputs inputs({.rows = kGradientRows, .dtype = at::kDouble});
  std::vector<at::Tensor> flat;
  for (const StepLeaves& leaves : toys.leaves(inputs)) {
    for (const at::Tensor& leaf : leaves.all()) flat.push_back(leaf);
  }
  const GradientChecker checker(
      [&](const std::vector<at::Tensor>& at) {
        std::vector<StepLeaves> leaves;
        for (std::size_t i = 0; i < at.size(); i += 5) {
          leaves.push_back(StepLeaves::from(std::span(at).subspan(i, 5)));
        }
        Inputs again({.rows = kGradientRows, .dtype = at::kDouble});
        const at::Tensor loss = fresh()(*toys.step(leaves, again));
        need_number(loss);
        return loss;
      },
      {.tolerance = kGradientTolerance, .step = 1e-3, .entries = 12, .seed = seed});
  const GradientReport report = checker.check(flat);
  if (report.ok()) return;
  std::string text = report.text();
  for (std::size_t i = flat.size(); i-- > 0;) {
    const std::string number = cat("leaf ", i, " ");
    for (std::size_t at = text.find(number); at != std::string::npos; at = text.find(number)) {
      text.replace(at, number.size(),
                   cat(leaf_name(i % 5), i < 5 ? " " : cat(" of SAE ", i / 5, " ")));
    }
  }
  fail(text);
}

}  // namespace saffron::testing
