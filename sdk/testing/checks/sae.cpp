#include "testing/canonical.h"
#include "testing/checks/groups.h"
#include "testing/checks/sae_gradient.h"
#include "testing/checks/sae_latents.h"
#include "testing/checks/sae_training.h"
#include "testing/drivers/toy_training.h"
#include "testing/expect.h"
#include "testing/uses.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <set>

namespace saffron::testing {
namespace {

constexpr std::int64_t kRows = 64;
constexpr double kRate = 1e-2;
constexpr double kTolerance = 1e-4;
constexpr double kBefore = 3;  // in every parameter, before it is initialised

void need_driver(const Subject& subject) { static_cast<void>(driver_of(subject)); }

void check_codes(const Codes& codes, const SaeSpec& spec, std::int64_t rows) {
  if (!codes.defined()) fail("encode returns empty codes");
  if (codes.rows() != rows) fail(cat("codes of ", rows, " rows have ", codes.rows()));
  if (codes.latents() != spec.latents) {
    fail(cat("declares ", spec.latents, " latents, and its codes have ", codes.latents()));
  }
  if (codes.layout() != spec.layout) fail("its codes have another layout than it declares");
}

void check_spec(const SaeSpec& spec) {
  if (spec.latents <= 0) fail(cat("declares ", spec.latents, " latents"));
  if (spec.spaces <= 0) fail(cat("declares ", spec.spaces, " code spaces"));
  std::set<std::string> names;
  for (const ParameterSpec& p : spec.parameters) {
    if (!names.insert(p.name).second) fail(cat("declares '", p.name, "' twice"));
    if (p.per_latent && (p.shape.empty() || p.shape[0] != spec.latents)) {
      fail(cat("'", p.name, "' is per latent, and its first dimension is not the latents"));
    }
  }
  for (const BufferSpec& b : spec.buffers) {
    if (!names.insert(b.name).second) fail(cat("declares '", b.name, "' twice"));
  }
}

// Of an SAE that nothing can be asked about this is the one check that says so aloud.
ToyTraining training_or_warning(const Subject& subject) {
  try {
    return ToyTraining(subject, {});
  } catch (const Finding& finding) {
    warn(cat("nothing could be checked: it ", finding.verdict.message));
  }
}

void check_shapes(const Subject& subject, ToyTraining& training) {
  check_spec(training.spec());
  const SaeInput input = training.batch(subject.nth(1), kRows);
  const auto check = [&](const std::vector<Codes>& codes, const std::vector<at::Tensor>& xhat) {
    if (codes.size() != static_cast<std::size_t>(training.spec().spaces)) {
      fail(cat("declares ", training.spec().spaces, " code spaces, and gives ", codes.size()));
    }
    for (const Codes& of : codes) check_codes(of, training.spec(), kRows);
    if (xhat.size() != input.targets.size()) {
      fail(cat("predicts ", input.targets.size(), " targets, and gives ", xhat.size()));
    }
    for (std::size_t t = 0; t < xhat.size(); ++t) {
      if (xhat[t].sizes() != input.targets[t].sizes() ||
          xhat[t].scalar_type() != input.targets[t].scalar_type()) {
        fail(cat("its reconstruction is ", describe(xhat[t]), ", its target ",
                 describe(input.targets[t])));
      }
    }
  };
  const std::vector<Codes> codes = training.sae().encode(input.inputs);
  check(codes, training.sae().decode(codes));
  if (!training.trainable()) return;
  const ToyTraining::Pass pass = training.pass(input);
  check(pass.forward.codes, pass.forward.reconstructions);
  for (const auto& [name, gradient] : pass.gradients) {
    if (!training.parameters().contains(name))
      fail(cat("has a gradient for '", name, "', which it does not declare"));
    const at::Tensor& parameter = training.parameters()[name];
    if (gradient.sizes() != parameter.sizes()) {
      fail(cat("the gradient of '", name, "' is ", describe(gradient), ", it itself ",
               describe(parameter)));
    }
  }
}

// Beside the first, every shape that it takes.
void check_shape(const Subject& subject, const SaeShape& shape) {
  try {
    ToyTraining training(shape, subject);
    check_shapes(subject, training);
  } catch (const Finding& finding) {
    if (finding.verdict.outcome == Outcome::skipped) return;  // refused
    fail(cat("of widths ", text_of(shape), ": ", finding.verdict.message));
  } catch (const std::exception& error) {
    fail(cat("declare takes streams of widths ", text_of(shape),
             ", and what follows throws: ", words_of(error)));
  }
}

Verdict shapes(const Subject& subject) {
  need_driver(subject);
  ToyTraining first = training_or_warning(subject);
  check_shapes(subject, first);
  for (const SaeShape& shape : toy_shapes()) {
    if (text_of(shape) != text_of(first.shape())) check_shape(subject, shape);
  }
  return {};
}

// The first parameter that is, initialised, what the host had allocated; "" where there is none.
std::string left_out(const Subject& subject) {
  const ToyTraining zeros(subject, {}), others(subject, {}, kBefore);
  for (const ParameterSpec& spec : zeros.spec().parameters) {
    if (!identical(zeros.parameters()[spec.name], others.parameters()[spec.name])) return spec.name;
  }
  return {};
}

Verdict initialise_fills(const Subject& subject) {
  need_driver(subject);
  need_deterministic(subject);
  const std::string name = left_out(subject);
  if (name.empty()) return {};
  need_reproducible(subject);
  fail(cat("initialise leaves (some of) '", name,
           "' as the host allocated it: it must fill every "
           "parameter, also with zeros"));
}

Verdict decode_of_encode_finite(const Subject& subject) {
  need_driver(subject);
  const ToyTraining training(subject, {});
  for (const double scale : {1.0, 0.0, 1e4}) {
    std::vector<at::Tensor> inputs = training.batch(subject.nth(1), kRows).inputs;
    for (at::Tensor& x : inputs) x = x * scale;
    const std::vector<Codes> codes = training.sae().encode(inputs);
    for (const Codes& of : codes) {
      if (!all_finite(of.to_dense())) fail(cat("codes of rows times ", scale, " are not finite"));
    }
    for (const at::Tensor& xhat : training.sae().decode(codes)) {
      if (!all_finite(xhat))
        fail(cat("the reconstruction of rows times ", scale, " is not finite"));
    }
  }
  return {};
}

Verdict l0_bound(const Subject& subject) {
  need_driver(subject);
  ToyTraining training(subject, {});
  const std::optional<std::int64_t> bound = training.spec().max_active;
  if (!bound) skip("declares no bound of L0");
  const SaeInput input = training.batch(subject.nth(1), kRows);
  const auto check = [&](const std::vector<Codes>& codes) {
    for (const Codes& of : codes) {
      const auto most = of.detach().l0().max().item<std::int64_t>();
      if (most > *bound) fail(cat("declares at most ", *bound, " active latents, and has ", most));
    }
  };
  check(training.sae().encode(input.inputs));
  if (training.trainable()) check(training.pass(input).forward.codes);
  return {};
}

// The formula of CanonicalSae.
Verdict canonical_agrees(const Subject& subject) {
  need_driver(subject);
  ToyTraining training(subject, {});
  const auto* exportable = dynamic_cast<const Exportable*>(&training.sae());
  if (exportable == nullptr) skip("has no canonical weights");
  if (training.trainable()) {
    const SaeInput input = training.batch(subject.nth(1), kRows);
    training.step(input, training.pass(input), kRate);
  }
  const SaeInput input = training.batch(subject.nth(2), kRows);
  CanonicalSae weights;
  try {
    weights = exportable->canonical();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid) throw;
    skip(cat("these options have no canonical weights: ", error.message()));
  }
  const at::Tensor x = input.inputs[0];
  const at::Tensor shift =
      weights.b_dec.defined() ? weights.b_dec : at::zeros({weights.W_dec.size(1)}, x.options());
  const at::Tensor z = (weights.subtract_b_dec ? x - shift : x).mm(weights.W_enc);
  const std::optional<at::Tensor> f = canonical_codes(weights, z);
  if (!f) skip(cat("no formula for activation '", weights.activation, "'"));
  const std::vector<Codes> codes = training.sae().encode(
      training.batch(subject.nth(2), kRows).inputs);  // of its own: it may write to it
  at::Tensor own = codes[0].to_dense();
  if (weights.code_scale.defined()) own = own * weights.code_scale;
  double apart = distance(own, *f);
  if (apart > kTolerance) fail(cat("encode and the canonical weights differ by ", apart));
  at::Tensor xhat = f->mm(weights.W_dec) + shift;
  if (weights.W_skip.defined()) xhat = xhat + x.mm(weights.W_skip);
  apart = distance(training.sae().decode(codes)[0], xhat);
  if (apart > kTolerance) fail(cat("decode and the canonical weights differ by ", apart));
  return {};
}

constexpr Check kChecks[] = {
    {"shapes", "sae", "specs, codes, reconstructions and gradients have the shapes declared", 1,
     shapes},
    {"initialise-fills-parameters", "sae", "initialise fills every parameter", 2, initialise_fills},
    {"decode-of-encode-finite", "sae", "codes and reconstructions of finite rows are finite", 1,
     decode_of_encode_finite},
    {"gradient-matches-finite-difference", "sae",
     "backward gives the derivatives in every parameter (but declared pseudo-gradients)", 2,
     sae_gradient_matches},
    {"l0-bound", "sae", "declared: no row has more than max_active latents", 2, l0_bound},
    {"loss-decreases-on-toy", "sae",
     "trained, it reconstructs better than before and than a constant", 3, loss_decreases},
    {"parameters-registered", "sae", "all that it learns is in its parameters and buffers", 2,
     parameters_registered},
    {"ranks-merge", "sae", "declared: buffers merged as `same` do not depend on a rank's rows", 4,
     ranks_merge},
    {"reinitialises-what-is-asked", "sae",
     "latents drawn anew are forgotten, and leave the others alone", 3,
     reinitialises_what_is_asked},
    {"resampled-latents-exist", "sae",
     "the latents that it says it drew anew are latents of its own", 3, resampled_latents_exist},
    {"rows-alone", "sae", "encode: a row's codes do not depend on the batch's other rows", 3,
     rows_alone},
    {"canonical-agrees", "sae", "canonical weights encode and decode as it does", 3,
     canonical_agrees},
};

}  // namespace

void need_initialised(const Subject& subject) {
  if (subject.deterministic() && !left_out(subject).empty()) {
    skip("see initialise-fills-parameters");
  }
}

std::span<const Check> sae_checks() { return kChecks; }

}  // namespace saffron::testing
