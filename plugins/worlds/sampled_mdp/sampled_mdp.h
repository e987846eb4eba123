#pragma once

#include <saffron/context.h>
#include <saffron/schema.h>
#include <saffron/world.h>

#include <cstdint>

namespace saffron::plugins {

// Episodes drawn in a tabular world by its policy: s ~ mu0, a ~ pi(. | s), s' ~ tau(. | s, a), until a
// terminal state is entered or `steps` have been made. States and actions are their numbers, int64 [N],
// and rewards are the tables', known of every transition: what an estimator makes of the sample can be
// held against what is true.
class SampledMdp final : public World, public SampledWorld {
 public:
  struct Options {
    Ref<World> world;
    std::int64_t episodes = 256, steps = 32;
  };
  static Schema<Options> schema();

  SampledMdp(const Options& options, const Context& context);

  [[nodiscard]] const WorldInfo& info() const override { return info_; }
  [[nodiscard]] double gamma() const override { return table().gamma(); }
  [[nodiscard]] const at::Tensor& states() const override { return states_; }
  [[nodiscard]] const at::Tensor& actions() const override { return actions_; }
  [[nodiscard]] const at::Tensor& next_states() const override { return next_states_; }
  [[nodiscard]] const at::Tensor& terminal() const override { return terminal_; }
  [[nodiscard]] const at::Tensor& episodes() const override { return episodes_; }
  [[nodiscard]] at::Tensor evaluate(std::int64_t reward, const at::Tensor& states,
                                    const at::Tensor& actions,
                                    const at::Tensor& next_states) const override;

 private:
  [[nodiscard]] const TabularWorld& table() const {
    return dynamic_cast<const TabularWorld&>(*world_);
  }
  void draw(const Options& options, const Random& random);

  Ref<World> world_;
  WorldInfo info_;
  at::Tensor states_, actions_, next_states_, terminal_, episodes_;
};

}  // namespace saffron::plugins
