#include "testing/drivers/toy_training.h"

#include "testing/drivers/toy_step.h"
#include "testing/expect.h"

#include <saffron/error.h>
#include <saffron/ops.h>
#include <saffron/testing/toys.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <array>

namespace saffron::testing {
namespace {

constexpr std::int64_t kWidth = ToyModel::kWidth, kNarrow = 7;
constexpr std::array<std::int64_t, 4> kOtherWidths = {8, 16, 32, 64};
constexpr std::int64_t kSteps = 1000;  // that a run would have
constexpr std::int64_t kSampleRows = 256;
constexpr int kMostPasses = 50;

}  // namespace

std::vector<SaeShape> toy_shapes() {
  const StreamInfo x{"x", kWidth}, y{"y", kNarrow};
  std::vector<SaeShape> out = {{{x}, {x}}, {{x}, {y}}, {{x, y}, {x, y}}};
  for (const std::int64_t width : kOtherWidths) {
    const StreamInfo other{"x", width};
    out.push_back({{other}, {other}});
  }
  return out;
}

std::string text_of(const SaeShape& shape) {
  const auto widths = [](const std::vector<StreamInfo>& streams) {
    std::string out;
    for (const StreamInfo& stream : streams) out += cat(out.empty() ? "" : " and ", stream.width);
    return out;
  };
  return cat(widths(shape.reads), " to ", widths(shape.predicts));
}

namespace {

// A stream of that width, as a function of the toy rows: themselves, or a fixed mix of them.
at::Tensor stream_rows(const StreamInfo& stream, const at::Tensor& rows) {
  if (stream.width == rows.size(1)) return rows;
  const at::Tensor mix =
      Random(1).fork("toy stream").normal_rows(0, rows.size(1), stream.width, rows.scalar_type());
  return rows.mm(mix).tanh();
}

}  // namespace

Upstream of_squared_error(const SaeInput& input, const Forward& forward) {
  Upstream out;
  out.codes.resize(forward.codes.size());
  for (std::size_t t = 0; t < forward.reconstructions.size(); ++t) {
    const at::Tensor xhat = forward.reconstructions[t].detach();
    out.reconstructions.push_back(2.0 / static_cast<double>(xhat.size(0)) *
                                  (xhat - input.targets[t]));
  }
  return out;
}

ToyTraining::ToyTraining(const Subject& subject, const Subject::Setup& setup, double before)
    : sae_(subject.make<Sae>(setup)), setup_(setup), first_(subject.nth(0)) {
  std::string refusal;
  for (const SaeShape& shape : toy_shapes()) {
    const std::string why = declare(shape);
    if (why.empty()) break;
    if (refusal.empty()) refusal = why;
  }
  if (shape_.reads.empty()) {
    skip(cat("takes none of the toy shapes (widths 12, 7, 8, 16, 32 and 64; 12 to 7; both): ",
             refusal, ": options with which it takes one go under [options.\"sae/", subject.name(),
             "\"] in test-plugin.toml"));
  }
  begin(subject, before);
}

ToyTraining::ToyTraining(const SaeShape& shape, const Subject& subject)
    : sae_(subject.make<Sae>()), first_(subject.nth(0)) {
  const std::string refusal = declare(shape);
  if (!refusal.empty()) skip(refusal);
  begin(subject, 0);
}

// Why it does not take the shape; "" where it does.
std::string ToyTraining::declare(const SaeShape& shape) {
  try {
    spec_ = sae_->declare(shape);
    shape_ = shape;
    return {};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid) throw;
    return error.message();
  }
}

void ToyTraining::begin(const Subject& subject, double before) {
  allocate(setup_, before);
  sae_->bind(parameters_, buffers_);
  const ActivationRows sample{.streams = batch(first_, kSampleRows).inputs, .origin = {}};
  sae_->initialise({.random = Random(subject.nth(setup_.seed)).fork("init"),
                    .sample = [&]() -> const ActivationRows& { return sample; }});
}

void ToyTraining::allocate(const Subject::Setup& setup, double before) {
  for (const ParameterSpec& spec : spec_.parameters) {
    const auto options = at::TensorOptions().dtype(setup.dtype).device(setup.device);
    parameters_.set(spec.name, at::full(spec.shape, before, options));
    moments_[spec.name] = {at::zeros(spec.shape, options), at::zeros(spec.shape, options)};
  }
  for (const BufferSpec& spec : spec_.buffers) {
    const auto options = at::TensorOptions().dtype(spec.dtype).device(setup.device);
    buffers_.set(spec.name, at::full(spec.shape, spec.initial, options));
  }
}

bool ToyTraining::trainable() const {
  if (dynamic_cast<const Fitted*>(sae_.get()) != nullptr) return false;
  return std::any_of(spec_.parameters.begin(), spec_.parameters.end(),
                     [](const ParameterSpec& spec) { return !spec.frozen; });
}

SaeInput ToyTraining::batch(std::uint64_t data, std::int64_t rows, Inputs* inputs) const {
  const at::Tensor x = toy_rows(data, rows);
  const auto give = [&](const StreamInfo& stream, const char* what) {
    const at::Tensor own = stream_rows(stream, x).to(setup_.device, setup_.dtype);
    return inputs == nullptr ? own.clone() : inputs->give(cat(what, " '", stream.name, "'"), own);
  };
  SaeInput input;
  for (const StreamInfo& stream : shape_.reads) input.inputs.push_back(give(stream, "input"));
  for (const StreamInfo& stream : shape_.predicts) input.targets.push_back(give(stream, "target"));
  input.step = steps_;
  input.steps = kSteps;
  input.rows_seen = steps_ * rows;
  return input;
}

ToyTraining::Pass ToyTraining::pass(const SaeInput& input) {
  return pass(input, [&](const Forward& forward) { return of_squared_error(input, forward); });
}

ToyTraining::Pass ToyTraining::pass(const SaeInput& input,
                                    const std::function<Upstream(const Forward&)>& upstream) {
  Pass out;
  out.forward = sae_->forward(input);
  sae_->backward(input, out.forward, upstream(out.forward), out.raw);
  for (const auto& [name, gradient] : out.raw) {
    at::Tensor whole = gradient.dense.defined() ? gradient.dense.clone() : at::Tensor();
    for (const FactoredGradient& factored : gradient.factored) {
      const at::Tensor part = ops::form_gradient(factored);
      whole = whole.defined() ? whole + part : part;
    }
    if (whole.defined()) out.gradients[name] = whole;
  }
  return out;
}

void ToyTraining::step(const SaeInput& input, const Pass& pass, double lr, double eps) {
  ++steps_;
  for (const ParameterSpec& spec : spec_.parameters) {
    const Gradient* gradient = pass.raw.find(spec.name);
    if (spec.frozen || gradient == nullptr) continue;
    auto& [m, v] = moments_[spec.name];
    ops::GradientRows(parameters_[spec.name], spec.constraint, *gradient)
        .adam(m, v, {.lr = lr, .eps = eps, .step = steps_});
  }
  sae_->after_step(input, pass.forward);
}

void ToyTraining::fit() {
  auto& fitted = dynamic_cast<Fitted&>(*sae_);
  for (int pass = 0; pass < kMostPasses; ++pass) {
    for (std::uint64_t data = 0; data < 4; ++data)
      fitted.observe(batch(first_ + 4 * data, kSampleRows));
    if (!fitted.end_pass()) return;
  }
}

double ToyTraining::squared_error(const SaeInput& input) const {
  const std::vector<at::Tensor> xhat = sae_->decode(sae_->encode(input.inputs));
  double sum = 0;
  for (std::size_t t = 0; t < xhat.size(); ++t) {
    sum += (xhat[t] - input.targets[t]).square().sum(1).mean().item<double>();
  }
  return sum;
}

ToyTraining::Snapshot ToyTraining::snapshot() const {
  Snapshot out;
  for (const auto& [name, tensor] : parameters_) out.parameters.set(name, tensor.clone());
  for (const auto& [name, tensor] : buffers_) out.buffers.set(name, tensor.clone());
  for (const auto& [name, moments] : moments_) {
    out.moments[name] = {moments.first.clone(), moments.second.clone()};
  }
  out.steps = steps_;
  return out;
}

void ToyTraining::rewind(const Snapshot& snapshot) {
  for (const auto& [name, tensor] : snapshot.parameters)
    at::Tensor(parameters_[name]).copy_(tensor);
  for (const auto& [name, tensor] : snapshot.buffers) at::Tensor(buffers_[name]).copy_(tensor);
}

void ToyTraining::restore(const Snapshot& snapshot) {
  rewind(snapshot);
  for (const auto& [name, moments] : snapshot.moments) {
    moments_[name] = {moments.first.clone(), moments.second.clone()};
  }
  steps_ = snapshot.steps;
}

}  // namespace saffron::testing
