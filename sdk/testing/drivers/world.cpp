#include "testing/drivers/kinds.h"
#include "testing/drivers/worlds.h"
#include "testing/made.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

namespace saffron::testing {
namespace {

// Reads all of a world, and evaluates the rewards of a sampled one on transitions of its own.
class WorldDriver final : public DriverOf<World> {
 public:
  using DriverOf::DriverOf;

  [[nodiscard]] Observed use(Inputs& inputs) override {
    const Variant& variant = inputs.variant();
    const auto* sampled = dynamic_cast<const SampledWorld*>(component_.get());
    Observed out = read_all(*component_);
    if (sampled == nullptr && (variant.strided || variant.rows != Variant().rows)) {
      skip("holds tables and takes no tensors");
    }
    if (sampled != nullptr) evaluate(*sampled, inputs, out);
    return out;
  }

 private:
  void evaluate(const SampledWorld& world, Inputs& inputs, Observed& out) const {
    const Variant& variant = inputs.variant();
    const std::int64_t count = world.states().size(0);
    const at::Tensor rows =
        (at::arange(variant.rows, at::kLong) + 7 * static_cast<std::int64_t>(variant.data)) % count;
    Inputs doubles({.strided = variant.strided, .dtype = at::kDouble});  // a world's dtype
    const auto give = [&](const char* name, const at::Tensor& all) {
      at::Tensor given = doubles.give(name, all.index_select(0, rows));
      inputs.watch(name, given);
      return given;
    };
    const at::Tensor states = give("states", world.states());
    const at::Tensor actions = give("actions", world.actions());
    const at::Tensor next = give("next states", world.next_states());
    for (std::size_t i = 0; i < component_->info().rewards.size(); ++i) {
      out.add(cat("reward ", i, " of transitions"),
              world.evaluate(static_cast<std::int64_t>(i), states, actions, next));
    }
  }
};

}  // namespace

const KindDriver kWorldDriver{.kind = World::kKind,
                              .powers = {.rows = true, .strided = true},
                              .drive = drive_or_skip<WorldDriver>,
                              .memory = "reads-are-constant",
                              .again = "reads-are-constant"};

}  // namespace saffron::testing
