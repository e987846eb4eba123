#include "framework/run/coefficients.h"

#include "framework/loader/guard.h"

#include <saffron/objective.h>

#include <algorithm>

namespace saffron::host {
namespace {

Value canonical(const Regularizer& regularizer, const Objective& objective, double coef,
                const TrainedSae& sae) {
  const auto* penalty = dynamic_cast<const CanonicalCoefficient*>(&regularizer);
  const auto* error = dynamic_cast<const CanonicalObjective*>(&objective);
  if (penalty == nullptr || error == nullptr) return {};
  const std::optional<double> scale = error->canonical_scale(sae);
  return scale ? Value(*scale * penalty->canonical_coefficient(coef, sae)) : Value();
}

}  // namespace

void add_coefficients(Objects& objects, const NodeSpec& node, Value& results) {
  const TrainSpec& train = node.train();
  const std::string path = node.path();
  Value* of_node = results.find(path);
  if (of_node == nullptr) return;
  const auto objective = objects.create<Objective>(train.objective, path, train.seed);
  for (const TrainGroup& group : train.groups) {
    for (const RegularizerSpec& spec : group.regularizers) {
      const auto regularizer =
          objects.create<Regularizer>(spec.component, path + "." + spec.name, train.seed);
      const Place place("regularizer " + spec.component.use, path + ".regularizer." + spec.name,
                        spec.component.origin);
      for (std::size_t index : group.members) {
        const Member& member = objects.recipe().members[index];
        const auto& over = spec.keys.over;
        Value* of_sae = of_node->find(member.name);
        if (of_sae == nullptr || std::find(over.begin(), over.end(), member.sae) == over.end()) {
          continue;
        }
        Value entry = Value::table();
        entry.set("coef", spec.keys.coef);
        entry.set("canonical", guard(place, [&] {
                    return canonical(*regularizer, *objective, spec.keys.coef,
                                     *objects.sae(member.name));
                  }));
        if (of_sae->find("coefficients") == nullptr) of_sae->set("coefficients", Value::table());
        of_sae->find("coefficients")->set(spec.name, std::move(entry));
      }
    }
  }
}

}  // namespace saffron::host
