#include <saffron/jump_threshold.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/diff.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <utility>

namespace saffron::inline sdk_v1 {
namespace {

// A row's value [B] at each of its entries; [1] as it is.
at::Tensor by_row(const at::Tensor& per_row, const Codes& codes) {
  if (per_row.size(0) == 1) return per_row;
  return at::repeat_interleave(per_row, codes.offsets().diff().to(at::kLong));
}

}  // namespace

Schema<JumpOptions> JumpOptions::schema() {
  using O = JumpOptions;
  return Schema<O>{}
      .param("threshold_init", &O::threshold_init, "theta at the start", positive())
      .param("bandwidth", &O::bandwidth, "eps, the width of the kernel of pseudo-gradients",
             positive())
      .param("log_threshold", &O::log_threshold, "train log theta instead of theta")
      .param("ste_to_input", &O::ste_to_input,
             "the kernel's gradient goes to pre-activations too, with the opposite sign; else to "
             "the threshold alone");
}

JumpThreshold::JumpThreshold(const JumpOptions& options, std::string suffix)
    : options_(options), name_((options.log_threshold ? "log_threshold" : "threshold") + suffix) {}

void JumpThreshold::declare(SaeSpec& spec) const {
  spec.layout = Codes::Layout::csr;
  spec.parameters.push_back(
      {.name = name_,
       .shape = {spec.latents},
       .role = Role::threshold,
       .constraint = options_.log_threshold ? Constraint::none : Constraint::non_negative,
       .per_latent = true});
}

std::vector<std::string> JumpThreshold::pseudo_gradients(std::vector<std::string> encoder) const {
  if (!options_.ste_to_input) encoder.clear();
  encoder.push_back(name_);
  return encoder;
}

void JumpThreshold::bind(const Tensors& parameters) { threshold_ = parameters[name_]; }

void JumpThreshold::initialise(const at::Tensor& latents) {
  const double start =
      options_.log_threshold ? std::log(options_.threshold_init) : options_.threshold_init;
  if (latents.defined()) {
    threshold_.index_fill_(0, latents, start);
  } else {
    threshold_.fill_(start);
  }
}

at::Tensor JumpThreshold::theta() const {
  return options_.log_threshold ? threshold_.exp() : threshold_;
}

Codes JumpThreshold::codes_of(const at::Tensor& rows, const at::Tensor& W_enc,
                              const at::Tensor& b_enc) const {
  return ops::encode_above(rows, W_enc, b_enc, theta());
}

Codes JumpThreshold::step_codes(const at::Tensor& rows, const at::Tensor& W_enc,
                                const at::Tensor& b_enc) {
  const at::Tensor all = theta();
  const Codes reached = ops::encode_above(rows, W_enc, b_enc, all - options_.bandwidth / 2);
  a_ = reached.values();
  theta_ = reached.by_entry(all);
  on_ = a_.gt(theta_);
  near_ = (a_ - theta_).abs().lt(options_.bandwidth / 2);
  return reached.with_values(a_ * on_);
}

at::Tensor JumpThreshold::backward(const Codes& codes, const at::Tensor& df,
                                   const at::Tensor& on_l0, const at::Tensor& on_theta,
                                   Gradients& gradients) const {
  at::Tensor kernel = at::zeros_like(a_);  // what its H and f send to a - theta
  if (on_l0.defined()) {
    kernel = by_row((on_l0 / options_.bandwidth).to(a_.scalar_type()), codes) * near_;
  }
  if (df.defined()) kernel = kernel + df * theta_ * near_ / options_.bandwidth;
  at::Tensor total = ops::sum_by_latent(codes.with_values(-kernel));
  if (on_theta.defined()) total = total + on_theta;
  if (options_.log_threshold) total = total * theta();
  gradients[name_].add_dense(total);
  if (!options_.ste_to_input) return df.defined() ? df * on_ : at::Tensor();
  return df.defined() ? df * on_ + kernel : kernel;
}

}  // namespace saffron::inline sdk_v1
