// The key functions of every interface: one vtable and one typeinfo, here, for host and plugins.

#include <saffron/comparator.h>
#include <saffron/context.h>
#include <saffron/dataset.h>
#include <saffron/explainer.h>
#include <saffron/format.h>
#include <saffron/judge.h>
#include <saffron/model.h>
#include <saffron/objective.h>
#include <saffron/preference_columns.h>
#include <saffron/properties.h>
#include <saffron/regularizer.h>
#include <saffron/scorer.h>
#include <saffron/source.h>
#include <saffron/state.h>
#include <saffron/world.h>
#include <saffron/world_family.h>

#include <ATen/TensorOperators.h>

#include <algorithm>

namespace saffron::inline sdk_v1 {

Context::~Context() = default;
Services::~Services() = default;
Stateful::~Stateful() = default;
Dataset::~Dataset() = default;
HasTokenizer::~HasTokenizer() = default;
Model::~Model() = default;
LayerMap::~LayerMap() = default;
HasLayerMaps::~HasLayerMaps() = default;
Tunable::~Tunable() = default;
Source::~Source() = default;
ModelBacked::~ModelBacked() = default;
Planted::~Planted() = default;
void Planted::require_planted(std::int64_t) const {}
Sae::~Sae() = default;
Fitted::~Fitted() = default;
Reinitialisable::~Reinitialisable() = default;
Resampling::~Resampling() = default;
Exportable::~Exportable() = default;
TrainStep::~TrainStep() = default;
Regularizer::~Regularizer() = default;
CanonicalCoefficient::~CanonicalCoefficient() = default;
ChecksSaes::~ChecksSaes() = default;
ShowsReadings::~ShowsReadings() = default;
DeclaresPenalty::~DeclaresPenalty() = default;
PseudoGradients::~PseudoGradients() = default;
Objective::~Objective() = default;
CanonicalObjective::~CanonicalObjective() = default;
BatchScaledObjective::~BatchScaledObjective() = default;
ScoreBatch::~ScoreBatch() = default;
Accumulator::~Accumulator() = default;
Scorer::~Scorer() = default;
World::~World() = default;
TabularWorld::~TabularWorld() = default;
SampledWorld::~SampledWorld() = default;
KnownTransitions::~KnownTransitions() = default;
PreferenceWorld::~PreferenceWorld() = default;
WorldFamily::~WorldFamily() = default;
PreferenceColumns::~PreferenceColumns() = default;
Comparator::~Comparator() = default;
ChecksWorld::~ChecksWorld() = default;
Format::~Format() = default;
Judge::~Judge() = default;
Explainer::~Explainer() = default;
Explainer::Explanation::~Explanation() = default;

std::int64_t Source::rows_of(std::int64_t) { return info().block_rows; }

void Sae::after_step(const SaeInput&, const Forward&) {}

bool Tensors::contains(std::string_view name) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const auto& entry) { return entry.first == name; });
}

const at::Tensor& Tensors::operator[](std::string_view name) const {
  for (const auto& [key, tensor] : entries_) {
    if (key == name) return tensor;
  }
  std::string names;
  for (const auto& [key, tensor] : entries_) names += (names.empty() ? "" : ", ") + key;
  throw Error(cat("there is no tensor '", name, "'")).with_help("there are: " + names);
}

void Tensors::set(std::string_view name, at::Tensor tensor) {
  for (auto& [key, held] : entries_) {
    if (key == name) {
      held = std::move(tensor);
      return;
    }
  }
  entries_.emplace_back(std::string(name), std::move(tensor));
}

double SaeInput::rise(double share) const {
  const double over = share * static_cast<double>(steps);
  return over > 0 ? std::min(1.0, static_cast<double>(step) / over) : 1.0;
}

void Gradient::add_dense(const at::Tensor& value) {
  dense = dense.defined() ? dense + value : value;
}

Gradient& Gradients::operator[](std::string_view name) {
  for (auto& [key, gradient] : entries_) {
    if (key == name) return gradient;
  }
  return entries_.emplace_back(std::string(name), Gradient{}).second;
}

const Gradient* Gradients::find(std::string_view name) const {
  for (const auto& [key, gradient] : entries_) {
    if (key == name) return &gradient;
  }
  return nullptr;
}

void Gradients::clear() { entries_.clear(); }

}  // namespace saffron::inline sdk_v1
