#include "jumprelu.h"

#include <saffron/ops.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace saffron::plugins {
namespace {

void add_dense(Gradient& gradient, const at::Tensor& value) {
  gradient.dense = gradient.dense.defined() ? gradient.dense + value : value;
}

at::Tensor norms_of(const at::Tensor& W) { return W.norm(2, at::IntArrayRef{1}); }

}  // namespace

Schema<JumpRelu::Options> JumpRelu::schema() {
  return Schema<Options>{}
      .include(&Options::dictionary, DictionaryOptions::schema())
      .param("threshold_init", &Options::threshold_init, "theta at the start", positive())
      .param("bandwidth", &Options::bandwidth, "eps, the width of the kernel of pseudo-gradients",
             positive())
      .param("log_threshold", &Options::log_threshold, "train log theta instead of theta")
      .choice(
          "sparsity", &Options::sparsity,
          "the SAE's own sparsity term; \"target_l0\" is the square of L0 / target_l0 - 1, at a "
          "coefficient that is not steered",
          {{"none", Sparsity::none},
           {"l0", Sparsity::l0},
           {"target_l0", Sparsity::target_l0},
           {"tanh", Sparsity::tanh}})
      .param("coef", &Options::coef, "weight of the sparsity term", non_negative())
      .param("warmup", &Options::warmup, "share of the steps over which coef rises from 0",
             fraction())
      .include(&Options::control, SparsityControlOptions::schema())
      .param("tanh_scale", &Options::tanh_scale, "tanh: factor of n f", positive())
      .param("preact_coef", &Options::preact_coef,
             "weight of the pre-activation loss of dead latents; 0: none", non_negative())
      .include(&Options::dead, DeadLatentOptions::schema())
      .check([](const Options& o) -> std::string {
        const bool aims = o.control.target_l0 > 0;
        if (o.sparsity == Sparsity::target_l0 && !aims) {
          return "sparsity = \"target_l0\" needs target_l0, the active latents a row to aim at";
        }
        if (o.sparsity == Sparsity::none && aims) {
          return "target_l0 steers the SAE's own sparsity term, and sparsity = \"none\" has none";
        }
        return target_problem(o.control, o.dictionary.width);
      });
}

void JumpRelu::declare_own(SaeSpec& spec) const {
  spec.layout = Codes::Layout::csr;
  spec.parameters.push_back(
      {.name = options_.log_threshold ? "log_threshold" : "threshold",
       .shape = {latents()},
       .role = Role::threshold,
       .constraint = options_.log_threshold ? Constraint::none : Constraint::non_negative,
       .per_latent = true});
  control_.declare(spec);
}

void JumpRelu::bind_own(const Tensors& parameters, const Tensors& buffers) {
  control_.bind(buffers);
  threshold_ = parameters[options_.log_threshold ? "log_threshold" : "threshold"];
  last_fired_ = buffers["last_fired"];
}

void JumpRelu::initialise_own(const at::Tensor& latents) {
  const double start =
      options_.log_threshold ? std::log(options_.threshold_init) : options_.threshold_init;
  if (latents.defined()) {
    threshold_.index_fill_(0, latents, start);
  } else {
    threshold_.fill_(start);
  }
}

at::Tensor JumpRelu::theta() const {
  return options_.log_threshold ? threshold_.exp() : threshold_;
}

double JumpRelu::coef(const SaeInput& input) const {
  const double rise = options_.warmup * static_cast<double>(input.steps);
  return options_.coef * control_.multiplier() *
         (rise > 0 ? std::min(1.0, static_cast<double>(input.step) / rise) : 1.0);
}

Codes JumpRelu::codes_of(const at::Tensor& rows) const {
  return ops::encode_above(rows, W_enc(), b_enc(), theta());
}

// Entries at or below theta, but within the kernel's reach, stay with value 0: their theta learns.
Codes JumpRelu::step_codes(const at::Tensor& rows, const SaeInput&) {
  const at::Tensor all = theta();
  const Codes reached = ops::encode_above(rows, W_enc(), b_enc(), all - options_.bandwidth / 2);
  a_ = reached.values();
  theta_ = all.index_select(0, reached.indices().to(at::kLong));
  on_ = a_.gt(theta_);
  near_ = (a_ - theta_).abs().lt(options_.bandwidth / 2);
  return reached.with_values(a_ * on_);
}

void JumpRelu::own_terms(const SaeInput& input, Forward& forward) {
  const Codes& codes = forward.codes[0];
  const auto rows = static_cast<double>(codes.rows());
  slopes_.reset();
  if (options_.sparsity == Sparsity::tanh) {
    const at::Tensor n = norms_of(W_dec()).index_select(0, codes.indices().to(at::kLong));
    const at::Tensor t = (codes.values() * n * options_.tanh_scale).tanh();
    forward.terms.push_back({"tanh", t.sum() / rows, coef(input)});
    slopes_ = (1 - t.square()) * (options_.tanh_scale * coef(input) / rows);
  } else if (options_.sparsity != Sparsity::none) {
    const at::Tensor l0 = on_.sum().to(at::kDouble) / rows;
    l0_ = l0.item<double>();
    const bool aims = options_.sparsity == Sparsity::target_l0;
    forward.terms.push_back({aims ? "target_l0" : "l0",
                             aims ? (l0 / options_.control.target_l0 - 1).square() : l0,
                             coef(input)});
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
  if (options_.preact_coef == 0 || input.rows_seen <= options_.dead.dead_after) return;
  const at::Tensor latents =
      last_fired_.lt(input.rows_seen - options_.dead.dead_after).nonzero().flatten();
  if (latents.size(0) == 0) return;
  dead_ = latents;
  const at::Tensor a =
      at::mm(step_rows(), W_enc().index_select(0, latents).t()) + b_enc().index_select(0, latents);
  const at::Tensor gap = (theta().index_select(0, latents) - a).clamp_min(0);
  below_ = gap.gt(0).to(a.scalar_type());
  const at::Tensor n = norms_of(W_dec().index_select(0, latents));
  forward.terms.push_back({"preact", (gap * n).sum(1).mean(), options_.preact_coef});
}

at::Tensor JumpRelu::encoder_backward(const SaeInput& input, const Codes& codes,
                                      const at::Tensor& df, Gradients& gradients) {
  at::Tensor total = df;
  if (slopes_.defined()) {
    const at::Tensor latent = codes.indices().to(at::kLong);
    const at::Tensor norms = norms_of(W_dec());
    const at::Tensor on_f = slopes_ * norms.index_select(0, latent);
    total = total.defined() ? total + on_f : on_f;
    if (!dictionary().unit_decoder) {
      const at::Tensor on_norm = ops::sum_by_latent(codes.with_values(slopes_ * codes.values()));
      add_dense(gradients["W_dec"], W_dec() * (on_norm / norms.clamp_min(1e-12)).unsqueeze(1));
    }
  }
  const double eps = options_.bandwidth;
  at::Tensor per_entry = total.defined() ? total * theta_ * near_ * (-1 / eps) : at::Tensor();
  if (options_.sparsity == Sparsity::l0 || options_.sparsity == Sparsity::target_l0) {
    const double of_l0 =
        options_.sparsity == Sparsity::l0
            ? 1
            : 2 * (l0_ / options_.control.target_l0 - 1) / options_.control.target_l0;
    const at::Tensor of_steps = near_.to(a_.scalar_type()) *
                                (-coef(input) * of_l0 / (eps * static_cast<double>(codes.rows())));
    per_entry = per_entry.defined() ? per_entry + of_steps : of_steps;
  }
  at::Tensor on_theta = per_entry.defined() ? ops::sum_by_latent(codes.with_values(per_entry))
                                            : at::zeros({latents()}, a_.options());
  inactive_backward(input, gradients, on_theta);
  if (options_.log_threshold) {
    add_dense(gradients["log_threshold"], on_theta * theta());
  } else {
    add_dense(gradients["threshold"], on_theta);
  }
  return total.defined() ? total * on_ : at::Tensor();
}

void JumpRelu::inactive_backward(const SaeInput&, Gradients& gradients, at::Tensor& on_theta) {
  if (!dead_.defined()) return;
  const at::Tensor W = W_dec().index_select(0, dead_);
  const at::Tensor n = norms_of(W);
  const at::Tensor dgap = below_ * n * (options_.preact_coef / static_cast<double>(below_.size(0)));
  on_theta = on_theta.index_add(0, dead_, dgap.sum(0));
  dense_backward(dead_, -dgap, gradients);
  if (dictionary().unit_decoder) return;
  const at::Tensor a =
      at::mm(step_rows(), W_enc().index_select(0, dead_).t()) + b_enc().index_select(0, dead_);
  const at::Tensor gaps = ((theta().index_select(0, dead_) - a) * below_).sum(0) *
                          (options_.preact_coef / static_cast<double>(below_.size(0)));
  add_dense(gradients["W_dec"],
            at::zeros(W_dec().sizes(), W.options())
                .index_add(0, dead_, W * (gaps / n.clamp_min(1e-12)).unsqueeze(1)));
}

void JumpRelu::canonical_own(CanonicalSae& out) const {
  out.activation = "jumprelu";
  out.threshold = theta().clone();
}

}  // namespace saffron::plugins
