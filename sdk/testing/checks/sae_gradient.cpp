#include "testing/checks/sae_gradient.h"

#include "testing/checks/again.h"
#include "testing/checks/sae_latents.h"
#include "testing/drivers/toy_training.h"
#include "testing/expect.h"
#include "testing/pseudo.h"
#include "testing/uses.h"

#include <saffron/error.h>
#include <saffron/testing/gradient_checker.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

namespace saffron::testing {
namespace {

constexpr double kGradientTolerance = 1e-5;
constexpr std::int64_t kRows = 8;

// <A, codes> + <B, xhat> + own terms, whose gradients in codes and xhat are A and B.
class Probe {
 public:
  Probe(const Random& random, const SaeSpec& spec, const SaeInput& input) {
    codes_ =
        random.fork("codes").normal_rows(0, input.inputs[0].size(0), spec.latents, at::kDouble);
    for (std::size_t t = 0; t < input.targets.size(); ++t) {
      targets_.push_back(random.fork("target").fork(t).normal_rows(
          0, input.targets[t].size(0), input.targets[t].size(1), at::kDouble));
    }
  }
  [[nodiscard]] Upstream upstream(const Forward& forward) const {
    Upstream out;
    for (const Codes& codes : forward.codes) out.codes.push_back(on_entries(codes));
    out.reconstructions = targets_;
    return out;
  }
  [[nodiscard]] at::Tensor value(const Forward& forward) const {
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (const Codes& codes : forward.codes) {
      sum = sum + (codes.values().detach() * on_entries(codes)).sum();
    }
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      sum = sum + (forward.reconstructions[t].detach() * targets_[t]).sum();
    }
    for (const Forward::Term& term : forward.terms) sum = sum + term.value * term.weight;
    return sum;
  }

 private:
  // A at the entries that the codes hold, in their shape.
  [[nodiscard]] at::Tensor on_entries(const Codes& codes) const {
    if (codes.layout() == Codes::Layout::dense) return codes_;
    if (codes.layout() == Codes::Layout::topk) return codes_.gather(1, codes.gather_index());
    at::Tensor out = at::zeros_like(codes.values().detach());
    const at::Tensor offsets = codes.offsets().to(at::kLong);
    const auto used = offsets[codes.rows()].item<std::int64_t>();
    const at::Tensor rows = at::repeat_interleave(offsets.narrow(0, 1, codes.rows()) -
                                                  offsets.narrow(0, 0, codes.rows()));
    const at::Tensor flat = rows * codes.latents() + codes.gather_index().narrow(0, 0, used);
    out.narrow(0, 0, used).copy_(codes_.reshape(-1).index_select(0, flat));
    return out;
  }

  at::Tensor codes_;
  std::vector<at::Tensor> targets_;
};

}  // namespace

Verdict sae_gradient_matches(const Subject& subject) {
  static_cast<void>(driver_of(subject));
  need_deterministic(subject);
  need_float64(subject);
  need_initialised(subject);
  const Subject::Setup setup{.dtype = at::kDouble};
  ToyTraining training(subject, setup);
  if (!training.trainable()) skip("has nothing to train");
  // Each pass has a batch of its own: what one does to it must not be seen by the next.
  const auto batch = [&] {
    SaeInput out = training.batch(subject.nth(1), kRows);
    out.step = out.steps * 3 / 5;  // past the middle: ramps of its own terms are 0 at first
    out.rows_seen = out.step * kRows;
    return out;
  };
  const SaeInput input = batch();
  const Probe probe(subject.random("gradient"), training.spec(), input);
  const std::vector<std::string> pseudo = pseudo_gradients(training.sae());
  for (const std::string& name : pseudo) {
    if (training.parameters().contains(name)) continue;
    fail(cat("pseudo_gradients() names '", name, "', which is none of its parameters"));
  }
  const ToyTraining::Pass pass =
      training.pass(input, [&](const Forward& forward) { return probe.upstream(forward); });
  const ToyTraining::Snapshot start = training.snapshot();
  ToyTraining moved(subject, setup);
  auto* stateful = dynamic_cast<Stateful*>(&moved.sae());
  const State state = stateful == nullptr ? State() : stateful->save();
  for (const ParameterSpec& spec : training.spec().parameters) {
    if (spec.frozen || std::find(pseudo.begin(), pseudo.end(), spec.name) != pseudo.end()) continue;
    const GradientChecker checker(
        [&](const std::vector<at::Tensor>& at) {
          moved.rewind(start);
          if (stateful != nullptr) stateful->load(state);
          at::Tensor(moved.parameters()[spec.name]).copy_(at[0]);
          return probe.value(moved.sae().forward(batch()));
        },
        {.tolerance = kGradientTolerance,
         .step = 1e-4,
         .entries = 16,
         .seed = subject.random(spec.name).key()});
    const auto found = pass.gradients.find(spec.name);
    const GradientReport report =
        checker.check({training.parameters()[spec.name]},
                      {found == pass.gradients.end() ? at::Tensor() : found->second});
    if (!report.ok() && encodes_otherwise_again(subject)) skip("see rows-alone");
    if (!report.ok()) leave_to(subject, kUsedAgain, report.text({spec.name}));
    moved.restore(start);
  }
  return {};
}

}  // namespace saffron::testing
