#include "minimal_potential.h"

namespace saffron::plugins {

Schema<MinimalPotential::Options> MinimalPotential::schema() {
  return rewards::measures_schema<Options>(true);
}

void MinimalPotential::check(const World& world) const {
  (void)rewards::dense_tabular(world, "minimal_potential");
}

std::vector<rewards::Canonical> MinimalPotential::forms(const TabularWorld& world) const {
  return {rewards::minimal_potential_form(world)};
}

std::vector<rewards::Measure> MinimalPotential::measures() const {
  return rewards::parse_measures(options_.pairs, true);
}

Comparison MinimalPotential::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "minimal_potential");
  return rewards::compare_forms(
      *this, tabular, world.info().rewards,
      rewards::reward_claims(tabular, {rewards::kCoverage}, rewards::Shaping::unending, true),
      rewards::kShapingAlone);
}

}  // namespace saffron::plugins
