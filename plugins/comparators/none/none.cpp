#include "none.h"

namespace saffron::plugins {

rewards::Canonical none_form(const TabularWorld& world) {
  return {"None", world.rewards(), world.rewards().abs()};
}

Schema<None::Options> None::schema() { return rewards::measures_schema<Options>(true); }

void None::check(const World& world) const { (void)rewards::dense_tabular(world, "none"); }

Comparison None::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "none");
  Comparison out;
  rewards::add_distances(out, {tabular, none_form(tabular), world.info().rewards},
                         rewards::parse_measures(options_.pairs, true),
                         rewards::reward_claims(tabular, {}, rewards::Shaping::none, false),
                         "is 0 everywhere");
  return out;
}

}  // namespace saffron::plugins
