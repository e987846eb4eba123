#include "gated.h"

#include <saffron/ops.h>

#include <ATen/TensorOperators.h>

namespace saffron::plugins {
Schema<Gated::Options> Gated::schema() {
  return Schema<Options>{}
      .include(&Options::dictionary, DictionaryOptions::schema())
      .param("coef", &Options::coef, "weight of the gates' L1 penalty", non_negative())
      .param("warmup", &Options::warmup, "share of the steps over which coef rises from 0",
             fraction())
      .include(&Options::control, SparsityControlOptions::schema())
      .param("detach_auxiliary", &Options::detach_auxiliary,
             "the auxiliary error trains the gates, not the decoder")
      .include(&Options::dead, DeadLatentOptions::schema())
      .check([](const Options& o) { return target_problem(o.control, o.dictionary.width); });
}

void Gated::declare_own(SaeSpec& spec) const {
  spec.layout = Codes::Layout::csr;
  spec.parameters.push_back(
      {.name = "r_mag", .shape = {latents()}, .role = Role::scale, .per_latent = true});
  spec.parameters.push_back(
      {.name = "b_mag", .shape = {latents()}, .role = Role::encoder_bias, .per_latent = true});
  control_.declare(spec);
}

void Gated::bind_own(const Tensors& parameters, const Tensors& buffers) {
  control_.bind(buffers);
  r_mag_ = parameters["r_mag"];
  b_mag_ = parameters["b_mag"];
}

void Gated::initialise_own(const at::Tensor& latents) {
  for (at::Tensor parameter : {r_mag_, b_mag_}) {
    if (latents.defined()) {
      parameter.index_fill_(0, latents, 0);
    } else {
      parameter.zero_();
    }
  }
}

double Gated::coef(const SaeInput& input) const {
  return options_.coef * control_.multiplier() * input.rise(options_.warmup);
}

at::Tensor Gated::magnitude(const Codes& gates) const {
  return (gates.values() - gates.by_entry(b_enc())) * gates.by_entry(r_mag_).exp() +
         gates.by_entry(b_mag_);
}

Codes Gated::codes_of(const at::Tensor& rows) const {
  const Codes gates = ops::encode_above(rows, W_enc(), b_enc(), {});
  return gates.with_values(magnitude(gates).clamp_min(0));
}

Codes Gated::step_codes(const at::Tensor& rows, const SaeInput&) {
  gates_ = ops::encode_above(rows, W_enc(), b_enc(), {});
  return gates_.with_values(magnitude(gates_).clamp_min(0));
}

void Gated::own_terms(const SaeInput& input, Forward& forward) {
  forward.terms.push_back(
      {"gate_l1", penalty_.forward(gates_, W_dec(), predicted_widths()), coef(input)});
  const double weight = 1 / input.objective_scale;
  const OwnError error = own_error(step_decode(gates_), weight);
  forward.terms.push_back({"gate_error", error.value, weight});
  auxiliary_upstream_ = error.upstream;
  control_.show(forward);
}

void Gated::own_after_step(const SaeInput& input, const Codes& codes) {
  if (!control_.active()) return;
  control_.observe(codes.l0().to(at::kDouble).mean().item<double>(), input.step, input.steps);
}

at::Tensor Gated::encoder_backward(const SaeInput& input, const Codes& codes, const at::Tensor& df,
                                   Gradients& gradients) {
  Gradient* on_decoder = dictionary().unit_decoder ? nullptr : &gradients["W_dec"];
  const at::Tensor dpi =
      penalty_.backward(coef(input), gates_, W_dec(), predicted_widths(), on_decoder) +
      ops::code_gradient(gates_, W_dec(), auxiliary_upstream_);
  if (!options_.detach_auxiliary) {
    gradients["W_dec"].factored.push_back({gates_, auxiliary_upstream_});
    if (dictionary().decoder_bias) gradients["b_dec"].add_dense(auxiliary_upstream_.sum(0));
  }
  if (!df.defined()) return dpi;
  const at::Tensor dz = df * codes.values().gt(0), scale = gates_.by_entry(r_mag_).exp();
  const at::Tensor du = dz * scale;  // of rows W_enc^T, which pi exceeds by b_enc
  gradients["b_mag"].add_dense(ops::sum_by_latent(codes.with_values(dz)));
  gradients["r_mag"].add_dense(
      ops::sum_by_latent(codes.with_values(du * (gates_.values() - gates_.by_entry(b_enc())))));
  gradients["b_enc"].add_dense(-ops::sum_by_latent(codes.with_values(du)));
  return dpi + du;
}

void Gated::canonical_own(CanonicalSae& out) const {
  out.activation = "gated";
  out.b_gate = out.b_enc;
  out.b_enc.reset();
  out.b_mag = b_mag_.clone();
  out.r_mag = r_mag_.clone();
}

}  // namespace saffron::plugins
