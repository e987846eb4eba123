#include "testing/drivers/kinds.h"
#include "testing/made.h"
#include "testing/scoring.h"

#include <c10/core/GradMode.h>

namespace saffron::testing {
namespace {

constexpr std::size_t kBatches = 4;  // of `rows` rows; contexts come block by block

// A use is a whole report.
class ScorerDriver final : public DriverOf<Scorer> {
 public:
  ScorerDriver(const Subject& subject, const Subject::Setup& setup) : DriverOf(subject, setup) {
    static_cast<void>(component_->needs());
  }

  [[nodiscard]] Observed use(Inputs& inputs) override {
    const c10::AutoGradMode no_grad(false);
    const ScorerNeeds needs = component_->needs();
    Scoring scoring(needs, inputs.variant().data);
    scoring.set_layout(inputs.variant().layout);
    for (const TrainedSae* sae : needs.saes) watch(*sae, inputs);
    const auto accumulator = component_->begin();
    if (scoring.wants_rows()) {
      Scoring::Cuts cuts = scoring.cuts(inputs.variant().rows);
      cuts.resize(std::min(cuts.size(), kBatches));
      scoring.add(*accumulator, cuts, &inputs);
    }
    const FlatReport report = flat(accumulator->finish());
    Observed out;
    out.add("the report's text", report.text);
    out.note("the report's numbers", report.numbers);
    return out;
  }

 private:
  static void watch(const TrainedSae& sae, Inputs& inputs) {
    for (const Tensors* tensors : {&sae.parameters, &sae.buffers}) {
      for (const auto& [name, tensor] : *tensors) inputs.watch(cat(sae.name, "'s ", name), tensor);
    }
  }
};

}  // namespace

const KindDriver kScorerDriver = {
    Scorer::kKind, {.rows = true, .strided = true, .codes = true}, drive_or_skip<ScorerDriver>};

}  // namespace saffron::testing
