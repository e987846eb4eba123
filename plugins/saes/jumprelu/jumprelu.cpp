#include "jumprelu.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>

namespace saffron::plugins {
namespace {

// Of the terms that count steps.
const char* name_of(JumpRelu::Sparsity sparsity) {
  switch (sparsity) {
    case JumpRelu::Sparsity::target_l0: return "target_l0";
    case JumpRelu::Sparsity::quadratic: return "quadratic";
    default: return "l0";
  }
}

at::Tensor norms_of(const at::Tensor& W) { return W.norm(2, at::IntArrayRef{1}); }

}  // namespace

Schema<JumpRelu::Options> JumpRelu::schema() {
  return Schema<Options>{}
      .include(&Options::dictionary, DictionaryOptions::schema())
      .include(&Options::jump, JumpOptions::schema())
      .choice(
          "sparsity", &Options::sparsity,
          "the SAE's own sparsity term; \"target_l0\" is the square of L0 / target_l0 - 1 of a "
          "batch, \"quadratic\" the mean over rows of 2 / target_l0 times the square of a row's "
          "L0 - target_l0, both at a coefficient that is not steered",
          {{"none", Sparsity::none},
           {"l0", Sparsity::l0},
           {"target_l0", Sparsity::target_l0},
           {"quadratic", Sparsity::quadratic},
           {"tanh", Sparsity::tanh}})
      .param("coef", &Options::coef, "weight of the sparsity term", non_negative())
      .param("warmup", &Options::warmup, "share of the steps over which coef rises from 0",
             fraction())
      .include(&Options::control, SparsityControlOptions::schema())
      .param("tanh_scale", &Options::tanh_scale, "tanh: factor of n f", positive())
      .param("preact_coef", &Options::preact_coef, "weight of the pre-activation loss; 0: none",
             non_negative())
      .choice("preact_over", &Options::preact_over,
              "latents of the pre-activation loss: those that are dead, or all",
              {{"dead", PreactOver::dead}, {"all", PreactOver::all}})
      .include(&Options::dead, DeadLatentOptions::schema())
      .check([](const Options& o) -> std::string {
        const bool aims = o.control.target_l0 > 0;
        if (o.is_quadratic() && !aims) {
          return cat("sparsity = \"", name_of(o.sparsity),
                     "\" needs target_l0, the active latents a row to aim at");
        }
        if (o.sparsity == Sparsity::none && aims) {
          return "target_l0 steers the SAE's own sparsity term, and sparsity = \"none\" has none";
        }
        return target_problem(o.control, o.dictionary.width);
      });
}

void JumpRelu::declare_own(SaeSpec& spec) const {
  jump_.declare(spec);
  control_.declare(spec);
}

void JumpRelu::bind_own(const Tensors& parameters, const Tensors& buffers) {
  control_.bind(buffers);
  jump_.bind(parameters);
  last_fired_ = buffers["last_fired"];
}

void JumpRelu::initialise_own(const at::Tensor& latents) { jump_.initialise(latents); }

double JumpRelu::coef(const SaeInput& input) const {
  return options_.coef * control_.multiplier() * input.rise(options_.warmup);
}

Codes JumpRelu::codes_of(const at::Tensor& rows) const {
  return jump_.codes_of(rows, W_enc(), b_enc());
}

Codes JumpRelu::step_codes(const at::Tensor& rows, const SaeInput&) {
  return jump_.step_codes(rows, W_enc(), b_enc());
}

void JumpRelu::own_terms(const SaeInput& input, Forward& forward) {
  const Codes& codes = forward.codes[0];
  if (options_.sparsity == Sparsity::tanh) {
    forward.terms.push_back(
        {"tanh", penalty_.forward(codes, W_dec(), predicted_widths()), coef(input)});
  } else if (counts_steps()) {
    l0_ = options_.sparsity == Sparsity::quadratic
              ? codes.l0().to(at::kDouble)  // a code above its theta >= 0 is not 0
              : jump_.on().sum().to(at::kDouble).view(1) / static_cast<double>(codes.rows());
    forward.terms.push_back({name_of(options_.sparsity), counted().value, coef(input)});
  }
  control_.show(forward);
  inactive_term(input, forward);
}

void JumpRelu::own_after_step(const SaeInput& input, const Codes& codes) {
  if (!control_.active()) return;
  control_.observe(codes.l0().to(at::kDouble).mean().item<double>(), input.step, input.steps);
}

void JumpRelu::inactive_term(const SaeInput& input, Forward& forward) {
  dead_.reset();
  const bool all = options_.preact_over == PreactOver::all;
  if (options_.preact_coef == 0) return;
  if (!all && input.rows_seen <= options_.dead.dead_after) return;
  const at::Tensor counted = all ? at::ones_like(last_fired_, at::kBool)
                                 : last_fired_.lt(input.rows_seen - options_.dead.dead_after);
  const at::Tensor latents = counted.nonzero().flatten();
  if (latents.size(0) == 0) return;
  dead_ = latents;
  const at::Tensor a =
      at::mm(step_rows(), W_enc().index_select(0, latents).t()) + b_enc().index_select(0, latents);
  const at::Tensor gap = (jump_.theta().index_select(0, latents) - a).clamp_min(0);
  below_ = gap.gt(0).to(a.scalar_type());
  const at::Tensor n = norms_of(W_dec().index_select(0, latents));
  forward.terms.push_back({"preact", (gap * n).sum(1).mean(), options_.preact_coef});
}

JumpRelu::Counted JumpRelu::counted() const {
  const double target = options_.control.target_l0;
  if (options_.sparsity == Sparsity::quadratic) {
    const at::Tensor gap = l0_ - target;
    return {gap.square().mean() * (2 / target), gap * (4 / target)};
  }
  if (options_.sparsity == Sparsity::l0) return {l0_.squeeze(0), at::ones_like(l0_)};
  const at::Tensor gap = l0_ / target - 1;
  return {gap.square().squeeze(0), gap * 2 / target};
}

at::Tensor JumpRelu::encoder_backward(const SaeInput& input, const Codes& codes,
                                      const at::Tensor& df, Gradients& gradients) {
  at::Tensor total = df;
  if (options_.sparsity == Sparsity::tanh) {
    Gradient* on_decoder = dictionary().unit_decoder ? nullptr : &gradients["W_dec"];
    const at::Tensor own =
        penalty_.backward(coef(input), codes, W_dec(), predicted_widths(), on_decoder);
    total = total.defined() ? total + own : own;
  }
  at::Tensor on_l0;
  if (counts_steps()) {
    on_l0 = counted().slopes * (coef(input) / static_cast<double>(codes.rows()));
  }
  return jump_.backward(codes, total, on_l0, inactive_backward(gradients), gradients);
}

at::Tensor JumpRelu::inactive_backward(Gradients& gradients) const {
  if (!dead_.defined()) return {};
  const at::Tensor W = W_dec().index_select(0, dead_);
  const at::Tensor n = norms_of(W);
  const at::Tensor dgap = below_ * n * (options_.preact_coef / static_cast<double>(below_.size(0)));
  const at::Tensor on_theta =
      at::zeros({latents()}, dgap.options()).index_add(0, dead_, dgap.sum(0));
  dense_backward(dead_, -dgap, gradients);
  if (dictionary().unit_decoder) return on_theta;
  const at::Tensor a =
      at::mm(step_rows(), W_enc().index_select(0, dead_).t()) + b_enc().index_select(0, dead_);
  const at::Tensor gaps = ((jump_.theta().index_select(0, dead_) - a) * below_).sum(0) *
                          (options_.preact_coef / static_cast<double>(below_.size(0)));
  gradients["W_dec"].add_dense(
      at::zeros(W_dec().sizes(), W.options())
          .index_add(0, dead_, W * (gaps / n.clamp_min(1e-12)).unsqueeze(1)));
  return on_theta;
}

void JumpRelu::canonical_own(CanonicalSae& out) const {
  out.activation = "jumprelu";
  out.threshold = jump_.theta().clone();
}

}  // namespace saffron::plugins
