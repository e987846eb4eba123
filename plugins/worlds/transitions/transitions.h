#pragma once

#include "reward_table.h"

#include <saffron/schema.h>
#include <saffron/world.h>

#include <optional>

namespace saffron::plugins {

// Transitions drawn from an environment, with the value of each reward, from a file. Rewards are known on these
// transitions and on further ones that the file may have; of others there is none.
class SampledTransitions final : public World, public SampledWorld, public KnownTransitions {
 public:
  struct Options {
    Path path;
    std::optional<double> gamma;
    double spread = 1e-6;
  };
  static Schema<Options> schema();

  explicit SampledTransitions(const Options& options)
      : SampledTransitions(options, read_sample(options.path.value)) {}

  [[nodiscard]] const WorldInfo& info() const override { return info_; }
  [[nodiscard]] double gamma() const override { return gamma_; }
  [[nodiscard]] const at::Tensor& states() const override { return sample_.data.states; }
  [[nodiscard]] const at::Tensor& actions() const override { return sample_.data.actions; }
  [[nodiscard]] const at::Tensor& next_states() const override { return sample_.data.next_states; }
  [[nodiscard]] const at::Tensor& terminal() const override { return sample_.terminal; }
  [[nodiscard]] const at::Tensor& episodes() const override { return sample_.episodes; }
  [[nodiscard]] at::Tensor evaluate(std::int64_t reward, const at::Tensor& states,
                                    const at::Tensor& actions,
                                    const at::Tensor& next_states) const override;
  [[nodiscard]] at::Tensor known(const at::Tensor& states, const at::Tensor& actions,
                                 const at::Tensor& next_states) const override;

 private:
  SampledTransitions(const Options& options, Sample sample);
  // Error (invalid) where these are not n transitions of this environment.
  void check_shapes(const at::Tensor& states, const at::Tensor& actions,
                    const at::Tensor& next_states) const;

  std::string source_;
  Sample sample_;
  RewardTable table_;
  WorldInfo info_;
  double gamma_ = 0;
};

}  // namespace saffron::plugins
