#include "none.h"

namespace saffron::plugins {

rewards::Canonical none_form(const TabularWorld& world) {
  return {"None", world.rewards(), world.rewards().abs()};
}

Schema<None::Options> None::schema() { return rewards::measures_schema<Options>(true); }

void None::check(const World& world) const { (void)rewards::dense_tabular(world, "none"); }

std::vector<rewards::Canonical> None::forms(const TabularWorld& world) const {
  return {none_form(world)};
}

std::vector<rewards::Measure> None::measures() const {
  return rewards::parse_measures(options_.pairs, true);
}

Comparison None::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "none");
  return rewards::compare_forms(*this, tabular, world.info().rewards,
                                rewards::reward_claims(tabular, {}, rewards::Shaping::none, false),
                                "is 0 everywhere");
}

}  // namespace saffron::plugins
