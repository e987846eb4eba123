#include "testing/drivers/kinds.h"
#include "testing/made.h"
#include "testing/model_runs.h"

#include <saffron/model.h>

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

namespace saffron::testing {
namespace {

// A use is a plain run, one with an edit, and, where gradients are on, what the edit's tensor gets.
class ModelDriver final : public DriverOf<Model> {
 public:
  ModelDriver(const Subject& subject, const Subject::Setup& setup) : DriverOf(subject, setup) {
    static_cast<void>(component_->sites());
  }

  [[nodiscard]] Observed use(Inputs& inputs) override {
    const ModelInfo& info = component_->info();
    const std::vector<std::string> sites = some_sites(*component_, 5);
    const Random random = Random(inputs.variant().data).fork("model driver");
    const at::Tensor tokens =
        inputs.give("tokens", random_tokens(info, random, inputs.variant().rows));
    Observed out;
    out.add("model", cat(info.name, ' ', info.architecture, ' ', info.parameters));
    const RunResult plain = component_->run(tokens, sites, {}, true);
    for (std::size_t i = 0; i < sites.size(); ++i) out.add(sites[i], plain.taps.at(i));
    out.add("logits", plain.logits);

    const std::string& site = sites[sites.size() / 2];
    at::Tensor delta;
    const Edit edit = {site, [&](const at::Tensor& x) {
                         delta = (x * 0.5).detach().requires_grad_();
                         return delta + x * 0.5;
                       }};
    const RunResult edited = component_->run(tokens, {}, {&edit, 1}, true);
    out.add(cat("logits edited at ", site), edited.logits);
    if (c10::GradMode::is_enabled() && edited.logits.requires_grad()) {
      edited.logits.square().mean().backward();
      out.note(cat("gradient at ", site), delta.grad());
    }
    return out;
  }
};

}  // namespace

const KindDriver kModelDriver = {
    .kind = Model::kKind,
    .powers = {.rows = true, .strided = true, .device = true, .gradients = true},
    .drive = drive_or_skip<ModelDriver>,
    .memory = "edit-leaves-no-trace",
    .again = "edit-leaves-no-trace"};

}  // namespace saffron::testing
