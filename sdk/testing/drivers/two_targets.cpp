#include "testing/drivers/two_targets.h"

#include "testing/drivers/toy_step.h"

#include <saffron/testing/toys.h>

#include <ATen/TensorOperators.h>

namespace saffron::testing {
namespace {

constexpr std::int64_t kRows = 24, kNarrow = 7, kSteps = 10;

}  // namespace

TwoTargets::TwoTargets(const Subject& subject)
    : sae_(toy_sae()), inputs_(toy_rows(subject.nth(1), kRows).to(at::kDouble)) {
  sae_->shape.predicts = {{"y", inputs_.size(1)}, {"z", kNarrow}};
  sae_->predicts = {0, 1};
  for (const StreamInfo& stream : sae_->shape.predicts) {
    const at::Tensor mix = subject.random("targets")
                               .fork(stream.name)
                               .normal_rows(0, inputs_.size(1), stream.width, at::kDouble);
    targets_.push_back(inputs_.mm(mix).tanh());
  }
}

std::unique_ptr<FakeTrainStep> TwoTargets::step(
    const std::vector<at::Tensor>& reconstructions) const {
  auto out = std::make_unique<FakeTrainStep>(1, kSteps);
  FakeTrainStep::Member& member = out->add(sae_->name);
  member.sae = *sae_;
  const at::Tensor codes = sae_->sae->encode({inputs_.to(at::kFloat)})[0].values();
  member.codes.push_back(Codes::dense(codes.to(at::kDouble)));
  member.inputs = {inputs_};
  member.targets = targets_;
  member.reconstructions = reconstructions;
  return out;
}

}  // namespace saffron::testing
