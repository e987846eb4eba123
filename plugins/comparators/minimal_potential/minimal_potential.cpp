#include "minimal_potential.h"

namespace saffron::plugins {

Schema<MinimalPotential::Options> MinimalPotential::schema() {
  return rewards::measures_schema<Options>(true);
}

void MinimalPotential::check(const World& world) const {
  (void)rewards::dense_tabular(world, "minimal_potential");
}

Comparison MinimalPotential::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "minimal_potential");
  Comparison out;
  rewards::add_distances(
      out, {tabular, rewards::minimal_potential_form(tabular), world.info().rewards},
      rewards::parse_measures(options_.pairs, true),
      rewards::reward_claims(tabular, {"D_S and D_A"}, rewards::Shaping::unending, true),
      rewards::kShapingAlone);
  return out;
}

}  // namespace saffron::plugins
