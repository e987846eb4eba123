#pragma once

#include <saffron/regularizer.h>

#include <map>
#include <string>
#include <vector>

namespace saffron::host {

// The leaves of one SAE in one step: what objectives and regularizers differentiate.
class MemberLeaves {
 public:
  MemberLeaves() = default;  // of a member that is not stepped
  MemberLeaves(const SaeInput& input, const Forward& forward);

  // The parameter as a leaf, made when first asked for.
  const at::Tensor& parameter(const TrainedSae& sae, std::string_view name);
  // Gradients collected on the leaves, for Sae::backward.
  [[nodiscard]] Upstream upstream() const;
  // Adds the gradients of parameter leaves.
  void add_parameter_gradients(Gradients& gradients) const;

  const SaeInput* input = nullptr;
  std::vector<Codes> codes;
  std::vector<at::Tensor> reconstructions;

 private:
  std::map<std::string, at::Tensor, std::less<>> parameters_;
};

// Error (numeric) when codes were cut because they outgrew their fixed capacity.
void require_complete(const Codes& codes, const std::string& sae);

// A request of a regularizer: which member, and latents (undefined: all).
struct Reinitialisation {
  std::size_t member;
  at::Tensor latents;
};

// The view of a step that a regularizer or an objective gets: some members, in the order of `over`.
class StepView final : public TrainStep {
 public:
  struct Part {
    std::size_t member;
    const TrainedSae* sae;
    MemberLeaves* leaves;
  };
  StepView(std::vector<Part> parts, std::int64_t step, std::int64_t steps, Random random);

  [[nodiscard]] std::int64_t saes() const override {
    return static_cast<std::int64_t>(parts_.size());
  }
  [[nodiscard]] std::int64_t step() const override { return step_; }
  [[nodiscard]] std::int64_t steps() const override { return steps_; }
  [[nodiscard]] const TrainedSae& sae(std::int64_t i) const override { return *part(i).sae; }
  [[nodiscard]] const Codes& codes(std::int64_t i, std::int64_t space) const override;
  [[nodiscard]] const at::Tensor& input(std::int64_t i, std::int64_t read) const override;
  [[nodiscard]] const at::Tensor& target(std::int64_t i, std::int64_t t) const override;
  [[nodiscard]] const at::Tensor& reconstruction(std::int64_t i, std::int64_t t) const override;
  [[nodiscard]] const at::Tensor& parameter(std::int64_t i, std::string_view name) const override;
  [[nodiscard]] const at::Tensor& parameter(std::int64_t i, Role role) const override;
  [[nodiscard]] Random random() const override { return random_; }
  void reinitialise(std::int64_t i, const at::Tensor& latents) const override;

  [[nodiscard]] const std::vector<Reinitialisation>& requests() const { return requests_; }

 private:
  [[nodiscard]] const Part& part(std::int64_t i) const;

  std::vector<Part> parts_;
  std::int64_t step_, steps_;
  Random random_;
  mutable std::vector<Reinitialisation>
      requests_;  // asked for through a step that plugins see as const
};

}  // namespace saffron::host
