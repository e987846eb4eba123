#include "testing/drivers/toy_step.h"

#include "testing/roomy_csr.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <array>

namespace saffron::testing {
namespace {

// Of a run's steps, not the first: ramps are at 0 there. 1 for 1, and so on.
std::int64_t step_of(std::uint64_t data) {
  constexpr std::int64_t kOthers = ToyStep::kSteps - 1;
  return 1 + (static_cast<std::int64_t>(data) + kOthers - 1) % kOthers;
}

// All entries of dense codes as topk: k = F, in a rotated order, as another encoder might have it.
Codes as_topk(const at::Tensor& f) {
  const at::Tensor order = f.detach().argsort(/*stable=*/true, 1, /*descending=*/true);
  return Codes::topk(f.gather(1, order), order.to(at::kInt), f.size(1));
}

Codes in_layout(const at::Tensor& f, Codes::Layout layout) {
  if (layout == Codes::Layout::topk) return as_topk(f);
  return layout == Codes::Layout::csr ? roomy_csr(f) : Codes::dense(f);
}

}  // namespace

at::Tensor toy_rows(std::uint64_t data, std::int64_t rows) {
  ToySource source;
  const std::int64_t blocks = source.info().blocks;
  std::vector<at::Tensor> parts;
  std::int64_t have = 0;
  for (auto block = static_cast<std::int64_t>(data); have < rows; ++block) {
    parts.push_back(source.block(block % blocks).streams[0]);
    have += parts.back().size(0);
  }
  return at::cat(parts).narrow(0, 0, rows).contiguous();
}

const char* leaf_name(std::size_t number) {
  constexpr std::array kNames = {"codes", "reconstruction", "W_enc", "b_enc", "W_dec"};
  return kNames.at(number);
}

ToyStep::ToyStep(std::int64_t saes) {
  auto source = std::make_shared<ToySource>();
  for (std::int64_t i = 0; i < saes; ++i) {
    saes_.push_back(toy_sae(cat("toy", i), 1 + static_cast<std::uint64_t>(i), source));
  }
}

std::vector<const TrainedSae*> ToyStep::saes() const {
  std::vector<const TrainedSae*> out;
  for (const auto& sae : saes_) out.push_back(sae.get());
  return out;
}

std::vector<StepLeaves> ToyStep::leaves(Inputs& inputs) const {
  const at::Tensor x = toy_rows(inputs.variant().data, inputs.variant().rows);
  std::vector<StepLeaves> out;
  for (const auto& sae : saes_) {
    const std::vector<Codes> codes = sae->sae->encode({x});
    const auto give = [&](const char* what, const at::Tensor& tensor) {
      return inputs.give(cat(sae->name, "'s ", what), tensor);
    };
    out.push_back({give("codes", codes[0].values()),
                   give("reconstruction", sae->sae->decode(codes)[0]),
                   give("W_enc", sae->parameters["W_enc"]), give("b_enc", sae->parameters["b_enc"]),
                   give("W_dec", sae->parameters["W_dec"])});
  }
  return out;
}

std::unique_ptr<FakeTrainStep> ToyStep::step(const std::vector<StepLeaves>& leaves, Inputs& inputs,
                                             std::optional<std::int64_t> number) const {
  auto step =
      std::make_unique<FakeTrainStep>(number.value_or(step_of(inputs.variant().data)), kSteps);
  const at::Tensor rows = toy_rows(inputs.variant().data, inputs.variant().rows);
  for (std::size_t i = 0; i < saes_.size(); ++i) {
    FakeTrainStep::Member& member = step->add(saes_[i]->name);
    member.sae = *saes_[i];
    member.sae.parameters.set("W_enc", leaves[i].W_enc);
    member.sae.parameters.set("b_enc", leaves[i].b_enc);
    member.sae.parameters.set("W_dec", leaves[i].W_dec);
    member.codes.push_back(in_layout(leaves[i].codes, inputs.variant().layout));
    inputs.watch(cat("codes ", i), member.codes.back());
    member.reconstructions.push_back(leaves[i].reconstruction);
    member.inputs.push_back(inputs.give("the inputs", rows));
    member.targets.push_back(inputs.give("the targets", rows));
  }
  return step;
}

}  // namespace saffron::testing
