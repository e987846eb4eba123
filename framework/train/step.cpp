#include "framework/train/step.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>

namespace saffron::host {
namespace {

template <class T>
const T& pick(const std::vector<T>& list, std::int64_t i, const char* what) {
  if (i < 0 || i >= static_cast<std::int64_t>(list.size())) {
    throw Error(cat(what, " ", i, " does not exist: there are ", list.size()));
  }
  return list[static_cast<std::size_t>(i)];
}

}  // namespace

void require_complete(const Codes& codes, const std::string& sae) {
  if (!codes.overflow().defined() || codes.overflow().item<std::int32_t>() == 0) return;
  throw Error(ErrorKind::numeric,
              cat("'", sae, "' has more active latents in a batch than its codes have room for"))
      .with_help("a stronger sparsity penalty, a higher threshold or smaller batches");
}

MemberLeaves::MemberLeaves(const SaeInput& in, const Forward& forward) : input(&in) {
  for (const Codes& c : forward.codes) {
    codes.push_back(c.with_values(c.values().detach().requires_grad_(true)));
  }
  for (const at::Tensor& xhat : forward.reconstructions) {
    reconstructions.push_back(xhat.detach().requires_grad_(true));
  }
}

const at::Tensor& MemberLeaves::parameter(const TrainedSae& sae, std::string_view name) {
  if (const auto found = parameters_.find(name); found != parameters_.end()) return found->second;
  return parameters_.emplace(name, sae.parameters[name].detach().requires_grad_(true))
      .first->second;
}

Upstream MemberLeaves::upstream() const {
  Upstream out;
  for (const Codes& c : codes) out.codes.push_back(c.values().grad());
  for (const at::Tensor& xhat : reconstructions) out.reconstructions.push_back(xhat.grad());
  return out;
}

void MemberLeaves::add_parameter_gradients(Gradients& gradients) const {
  for (const auto& [name, leaf] : parameters_) {
    if (!leaf.grad().defined()) continue;
    gradients[name].add_dense(leaf.grad());
  }
}

StepView::StepView(std::vector<Part> parts, std::int64_t step, std::int64_t steps, Random random)
    : parts_(std::move(parts)), step_(step), steps_(steps), random_(random) {}

const StepView::Part& StepView::part(std::int64_t i) const { return pick(parts_, i, "SAE number"); }

const Codes& StepView::codes(std::int64_t i, std::int64_t space) const {
  return pick(part(i).leaves->codes, space, "code space");
}

const at::Tensor& StepView::input(std::int64_t i, std::int64_t read) const {
  return pick(part(i).leaves->input->inputs, read, "read stream");
}

const at::Tensor& StepView::target(std::int64_t i, std::int64_t t) const {
  return pick(part(i).leaves->input->targets, t, "target");
}

const at::Tensor& StepView::reconstruction(std::int64_t i, std::int64_t t) const {
  return pick(part(i).leaves->reconstructions, t, "reconstruction");
}

const at::Tensor& StepView::parameter(std::int64_t i, std::string_view name) const {
  return part(i).leaves->parameter(*part(i).sae, name);
}

const at::Tensor& StepView::parameter(std::int64_t i, Role role) const {
  for (const ParameterSpec& spec : part(i).sae->spec.parameters) {
    if (spec.role == role) return parameter(i, spec.name);
  }
  throw Error(cat("SAE '", part(i).sae->name, "' has no parameter of the role asked for"));
}

void StepView::reinitialise(std::int64_t i, const at::Tensor& latents) const {
  if (dynamic_cast<Reinitialisable*>(part(i).sae->sae.get()) == nullptr) {
    throw Error(cat("SAE '", part(i).sae->name, "' cannot be drawn anew during training"));
  }
  if (latents.defined()) {
    const std::int64_t count = part(i).sae->spec.latents;
    if (latents.dim() != 1 || latents.scalar_type() != at::kLong) {
      throw Error(cat("latents to be drawn anew are int64 [n], not ", latents.scalar_type(), " ",
                      latents.sizes()));
    }
    if (latents.numel() == 0) return;
    if (latents.min().item<std::int64_t>() < 0 || latents.max().item<std::int64_t>() >= count) {
      throw Error(cat("SAE '", part(i).sae->name, "' has the latents 0 to ", count - 1,
                      "; another one was to be drawn anew"));
    }
  }
  requests_.push_back({part(i).member, latents});
}

}  // namespace saffron::host
