#pragma once

#include "scores.h"

#include <saffron/preference_columns.h>
#include <saffron/schema.h>
#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Scores of several responses to each of several prompts, one column a reward model, from a table. Prompts are
// numbered in the order in which they first come; responses of a prompt keep the file's order.
class Preferences final : public World, public PreferenceWorld, public PreferenceColumns {
 public:
  enum class Single : std::uint8_t { refuse, drop };
  struct Options {
    Path path;
    ScoreColumns columns;
    Single single_responses = Single::refuse;
  };
  static Schema<Options> schema();

  explicit Preferences(const Options& options);

  [[nodiscard]] const WorldInfo& info() const override { return info_; }
  [[nodiscard]] const at::Tensor& prompts() const override { return prompts_; }
  [[nodiscard]] const at::Tensor& scores() const override { return scores_; }
  [[nodiscard]] const at::Tensor& labels() const override { return labels_; }
  [[nodiscard]] const at::Tensor& log_reference() const override { return log_reference_; }
  [[nodiscard]] const std::vector<std::string>& prompt_names() const override {
    return prompt_names_;
  }
  [[nodiscard]] const std::vector<std::string>& response_names() const override {
    return response_names_;
  }
  [[nodiscard]] const std::vector<ResponseColumn>& columns() const override { return columns_; }

 private:
  WorldInfo info_;
  at::Tensor prompts_, scores_, labels_, log_reference_;
  std::vector<std::string> prompt_names_, response_names_;
  std::vector<ResponseColumn> columns_;
};

}  // namespace saffron::plugins
