#pragma once

#include <saffron/error.h>
#include <saffron/regularizer.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace saffron::testing {

// A training step made by hand, for tests of regularizers and objectives:
//
//   FakeTrainStep step(/*step=*/3, /*steps=*/10);
//   auto& member = step.add("a");
//   member.add_parameter("W_dec", Role::decoder, W);        // becomes a leaf
//   member.codes.push_back(Codes::dense(f));                // a leaf where the test makes it one
//   regularizer.penalty(step).backward();
//   member.sae.parameters["W_dec"].grad();
//
// Requests to re-initialise are kept in `reinitialised`.
class FakeTrainStep final : public TrainStep {
 public:
  struct Member {
    TrainedSae sae;
    std::vector<Codes> codes;
    std::vector<at::Tensor> inputs, targets, reconstructions;

    const at::Tensor& add_parameter(const std::string& name, Role role, const at::Tensor& value) {
      sae.spec.parameters.push_back(
          {.name = name, .shape = value.sizes().vec(), .role = role, .per_latent = true});
      if (role == Role::decoder) sae.spec.latents = value.size(0);
      sae.parameters.set(name, value.detach().clone().requires_grad_(true));
      return sae.parameters[name];
    }
  };
  struct Request {
    std::int64_t sae;
    at::Tensor latents;
  };

  explicit FakeTrainStep(std::int64_t step = 0, std::int64_t steps = 1)
      : step_(step), steps_(steps) {}

  Member& add(const std::string& name) {
    members_.emplace_back().sae.name = name;
    return members_.back();
  }
  Member& member(std::int64_t i) { return members_.at(static_cast<std::size_t>(i)); }
  void set_step(std::int64_t step) { step_ = step; }
  mutable std::vector<Request> reinitialised;

  [[nodiscard]] std::int64_t saes() const override {
    return static_cast<std::int64_t>(members_.size());
  }
  [[nodiscard]] std::int64_t step() const override { return step_; }
  [[nodiscard]] std::int64_t steps() const override { return steps_; }
  [[nodiscard]] const TrainedSae& sae(std::int64_t i) const override { return at(i).sae; }
  [[nodiscard]] const Codes& codes(std::int64_t i, std::int64_t space) const override {
    return at(i).codes.at(static_cast<std::size_t>(space));
  }
  [[nodiscard]] const at::Tensor& input(std::int64_t i, std::int64_t read) const override {
    return at(i).inputs.at(static_cast<std::size_t>(read));
  }
  [[nodiscard]] const at::Tensor& target(std::int64_t i, std::int64_t t) const override {
    return at(i).targets.at(static_cast<std::size_t>(t));
  }
  [[nodiscard]] const at::Tensor& reconstruction(std::int64_t i, std::int64_t t) const override {
    return at(i).reconstructions.at(static_cast<std::size_t>(t));
  }
  [[nodiscard]] const at::Tensor& parameter(std::int64_t i, std::string_view name) const override {
    return at(i).sae.parameters[name];
  }
  [[nodiscard]] const at::Tensor& parameter(std::int64_t i, Role role) const override {
    for (const ParameterSpec& spec : at(i).sae.spec.parameters) {
      if (spec.role == role) return at(i).sae.parameters[spec.name];
    }
    throw Error("SAE '" + at(i).sae.name + "' has no parameter of the role asked for");
  }
  [[nodiscard]] Random random() const override {
    return Random(1).fork(static_cast<std::uint64_t>(step_));
  }
  void reinitialise(std::int64_t i, const at::Tensor& latents) const override {
    reinitialised.push_back({i, latents});
  }

 private:
  [[nodiscard]] const Member& at(std::int64_t i) const {
    return members_.at(static_cast<std::size_t>(i));
  }

  std::int64_t step_, steps_;
  std::deque<Member> members_;  // references from add() stay valid
};

}  // namespace saffron::testing
