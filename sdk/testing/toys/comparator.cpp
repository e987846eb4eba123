#include "testing/toys/comparator.h"

#include <saffron/reward_metrics.h>

namespace saffron::testing {
namespace {

class ToyComparator final : public Comparator, public rewards::Canonicaliser {
 public:
  [[nodiscard]] Comparison compare(const World& world) override {
    const TabularWorld& tabular = rewards::dense_tabular(world, "toy");
    return rewards::compare_forms(
        *this, tabular, world.info().rewards,
        rewards::reward_claims(tabular, {}, rewards::Shaping::none, false), "is 0 everywhere");
  }
  [[nodiscard]] std::vector<rewards::Canonical> forms(const TabularWorld& world) const override {
    return {{"Toy", world.rewards(), world.rewards().abs()}};
  }
  [[nodiscard]] std::vector<rewards::Measure> measures() const override {
    return {rewards::parse_measure("2-2")};
  }
};

}  // namespace

std::shared_ptr<Comparator> toy_comparator() { return std::make_shared<ToyComparator>(); }

}  // namespace saffron::testing
