#include "testing/drivers/kinds.h"
#include "testing/drivers/toy_training.h"

#include <saffron/error.h>

#include <c10/core/GradMode.h>

namespace saffron::testing {
namespace {

constexpr double kRate = 1e-3;
constexpr double kEps = 1e-3;  // as large as that: rounding of a gradient that is 0 stays rounding

void observe_codes(const std::string& name, const std::vector<Codes>& codes, Observed& out) {
  for (std::size_t i = 0; i < codes.size(); ++i) {
    out.add(cat("values of ", name, " ", i), codes[i].values());
    out.note(cat(name, " ", i), codes[i].to_dense());
  }
}

class SaeDriver final : public Driver {
 public:
  SaeDriver(const Subject& subject, const Subject::Setup& setup) : training_(subject, setup) {}

  // A training step, and then what the SAE is after it.
  [[nodiscard]] Observed use(Inputs& inputs) override {
    Observed out;
    const SaeInput input = training_.batch(inputs.variant().data, inputs.variant().rows, &inputs);
    if (training_.trainable() && c10::GradMode::is_enabled()) train(input, inputs, out);
    watch_own(inputs);
    const std::vector<Codes> codes = training_.sae().encode(input.inputs);
    observe_codes("codes", codes, out);
    std::vector<Codes> given;  // copies: who writes to them changes nothing that encode handed out
    for (const Codes& of : codes) {
      given.push_back(of.with_values(of.values().clone()));
      inputs.watch("the codes to decode", given.back().values());
    }
    const std::vector<at::Tensor> xhat = training_.sae().decode(given);
    inputs.settle();  // the next use trains
    watch_rows(input, inputs);
    for (std::size_t t = 0; t < xhat.size(); ++t) out.add(cat("reconstruction ", t), xhat[t]);
    return out;
  }

  [[nodiscard]] const Stateful* stateful() const override {
    return dynamic_cast<const Stateful*>(&training_.sae());
  }
  [[nodiscard]] const PseudoGradients* pseudo() const override {
    return dynamic_cast<const PseudoGradients*>(&training_.sae());
  }
  void restore(const Driver& other) override {
    training_.restore(static_cast<const SaeDriver&>(other).training_.snapshot());
    if (stateful() != nullptr) Driver::restore(other);
  }

 protected:
  [[nodiscard]] Stateful* mutable_state() override {
    return dynamic_cast<Stateful*>(&training_.sae());
  }

 private:
  static void watch_rows(const SaeInput& input, Inputs& inputs) {
    for (const at::Tensor& x : input.inputs) inputs.watch("an input", x);
    for (const at::Tensor& x : input.targets) inputs.watch("a target", x);
  }
  // encode and decode are const: they train nothing.
  void watch_own(Inputs& inputs) const {
    for (const Tensors* tensors : {&training_.parameters(), &training_.buffers()}) {
      for (const auto& [name, tensor] : *tensors) inputs.watch(cat("its own ", name), tensor);
    }
  }
  void train(const SaeInput& input, Inputs& inputs, Observed& out) {
    for (const auto& [name, tensor] : training_.parameters()) inputs.watch(name, tensor);
    const ToyTraining::Pass pass = training_.pass(input, [&](const Forward& forward) {
      Upstream upstream = of_squared_error(input, forward);
      for (const at::Tensor& of : upstream.reconstructions) {
        inputs.watch("the gradient of a reconstruction", of);
      }
      return upstream;
    });
    inputs.settle();  // from here on the optimiser writes to the parameters
    watch_rows(input, inputs);
    observe_codes("codes in training", pass.forward.codes, out);
    for (const Forward::Term& term : pass.forward.terms) out.add(term.name, term.value);
    for (const auto& [name, gradient] : pass.gradients) out.note("gradient of " + name, gradient);
    training_.step(input, pass, kRate, kEps);
    for (const auto& [name, tensor] : training_.parameters()) out.note(name, tensor);
    // A buffer's dtype is the one that it declares.
    for (const auto& [name, tensor] : training_.buffers()) {
      out.note(cat(kOwnDtype, name),
               tensor.is_floating_point() ? tensor.to(input.inputs[0].scalar_type()) : tensor);
    }
  }

  ToyTraining training_;
};

}  // namespace

const KindDriver kSaeDriver{
    .kind = Sae::kKind,
    .powers = {.rows = true, .strided = true, .dtype = true, .device = true, .gradients = true},
    .drive = drive<SaeDriver>,
    .memory = "parameters-registered"};

}  // namespace saffron::testing
