#pragma once

#include <saffron/codes.h>
#include <saffron/model.h>
#include <saffron/random.h>
#include <saffron/sae.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace saffron::inline sdk_v1 {

// One training step as a regularizer or an objective sees it: the SAEs in the order of `over`.
// Everything that can be differentiated is a leaf of this step's graph.
class SAFFRON_EXPORT TrainStep {
 public:
  virtual ~TrainStep();

  [[nodiscard]] virtual std::int64_t saes() const = 0;
  [[nodiscard]] virtual std::int64_t step() const = 0;   // from 0
  [[nodiscard]] virtual std::int64_t steps() const = 0;  // in all
  [[nodiscard]] virtual const TrainedSae& sae(std::int64_t i) const = 0;

  // The codes of SAE i; values() is a leaf. `space` for SAEs with several code spaces.
  [[nodiscard]] virtual const Codes& codes(std::int64_t i, std::int64_t space = 0) const = 0;
  [[nodiscard]] virtual const at::Tensor& input(std::int64_t i, std::int64_t read = 0) const = 0;
  [[nodiscard]] virtual const at::Tensor& target(std::int64_t i, std::int64_t t = 0) const = 0;
  // [B, d_out], a leaf.
  [[nodiscard]] virtual const at::Tensor& reconstruction(std::int64_t i,
                                                         std::int64_t t = 0) const = 0;
  // A parameter as a leaf; its gradient is dense.
  [[nodiscard]] virtual const at::Tensor& parameter(std::int64_t i,
                                                    std::string_view name) const = 0;
  // The parameter with this role; Error (invalid) that names the SAE where there is none.
  [[nodiscard]] virtual const at::Tensor& parameter(std::int64_t i, Role role) const = 0;

  // This step's stream of random numbers.
  [[nodiscard]] virtual Random random() const = 0;
  // Ask for these latents (int64 [n]; none when empty) of SAE i to be drawn anew before the next
  // step, or, with an undefined tensor, for all of it. Their optimiser state is zeroed. Error (invalid)
  // where the SAE is not Reinitialisable or has no such latent.
  virtual void reinitialise(std::int64_t i, const at::Tensor& latents) const = 0;
};

// A penalty added to the training loss.
//
//   loss = sum over SAEs of objective + own terms  +  sum_i coef_i(t) * R_i(step)
//
// R is a scalar, differentiable almost everywhere in codes, reconstructions or parameters, finite for
// finite input. It is called on the host thread at every optimiser step, or at every n-th when the
// recipe says `every = n`; state of its own (running
// statistics) is exposed through Stateful, or a resumed run differs. A regularizer over several SAEs
// couples them: they are trained, cached and resumed together.
class SAFFRON_EXPORT Regularizer {
 public:
  static constexpr const char* kKind = "regularizer";
  static constexpr const char* kInterface = "saffron.regularizer/1";
  using Interface = Regularizer;

  Regularizer() = default;
  Regularizer(const Regularizer&) = delete;
  Regularizer& operator=(const Regularizer&) = delete;
  virtual ~Regularizer();

  [[nodiscard]] virtual at::Tensor penalty(const TrainStep& step) = 0;
};

// Capability: a regularizer whose coefficient has a canonical value: what multiplies the sum of |f|
// over a row, averaged over rows, when the objective stands beside it as `loss` does here. The host
// multiplies by the objective's canonical_scale and records the product in results and report.
class SAFFRON_EXPORT CanonicalCoefficient {
 public:
  virtual ~CanonicalCoefficient();
  [[nodiscard]] virtual double canonical_coefficient(double coef, const TrainedSae& sae) const = 0;
};

// Capability: a regularizer that asks something of the SAEs that it stands over: their number, shapes
// or powers. check() throws Error (invalid) where they do not fit. The host calls it before anything
// runs, with the SAEs declared (spec and shape; no tensors yet) in the order of `over`.
class SAFFRON_EXPORT ChecksSaes {
 public:
  virtual ~ChecksSaes();
  virtual void check(const std::vector<const TrainedSae*>& saes) const = 0;
};

// Capability: a regularizer with numbers of its own worth a curve (a schedule's value, a steered
// factor). Asked after penalty(); they stand beside the penalty's value in metrics.jsonl, as
// "<regularizer>.<name>".
class SAFFRON_EXPORT ShowsReadings {
 public:
  virtual ~ShowsReadings();
  // Of SAE i of `over`, names and finite values.
  [[nodiscard]] virtual std::vector<std::pair<std::string, double>> readings(
      std::int64_t i) const = 0;
};

}  // namespace saffron::inline sdk_v1
