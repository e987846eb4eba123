#pragma once

#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/preference_columns.h>
#include <saffron/testing/fake_context.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

// What the tests of comparators of scores share: worlds held in memory.

namespace saffron::testing {

struct MemoryScores : World, PreferenceWorld {
  // Scores [R, N]; the responses to prompt p are `sizes[p]` rows.
  MemoryScores(const std::vector<std::int64_t>& sizes, at::Tensor scores)
      : scores_(std::move(scores)) {
    std::vector<std::int64_t> numbers;
    for (std::size_t p = 0; p < sizes.size(); ++p) {
      numbers.insert(numbers.end(), static_cast<std::size_t>(sizes[p]),
                     static_cast<std::int64_t>(p));
    }
    prompts_ = at::tensor(numbers, at::kLong);
    for (std::int64_t i = 0; i < scores_.size(0); ++i) info_.rewards.push_back(cat("m", i));
    info_.description = "a test's scores";
  }

  // An interface does not copy; what it holds does.
  MemoryScores(const MemoryScores& other)
      : World(),
        PreferenceWorld(other),
        info_(other.info_),
        prompts_(other.prompts_),
        scores_(other.scores_),
        labels_(other.labels_),
        log_reference_(other.log_reference_) {}

  const WorldInfo& info() const override { return info_; }
  const at::Tensor& prompts() const override { return prompts_; }
  const at::Tensor& scores() const override { return scores_; }
  const at::Tensor& labels() const override { return labels_; }
  const at::Tensor& log_reference() const override { return log_reference_; }

  WorldInfo info_;
  at::Tensor prompts_, scores_, labels_, log_reference_;
};

struct MemoryColumns final : MemoryScores, PreferenceColumns {
  using MemoryScores::MemoryScores;
  MemoryColumns(const MemoryColumns& other) = default;
  const std::vector<std::string>& prompt_names() const override { return prompt_names_; }
  const std::vector<std::string>& response_names() const override { return response_names_; }
  const std::vector<ResponseColumn>& columns() const override { return columns_; }

  std::vector<std::string> prompt_names_, response_names_;
  std::vector<ResponseColumn> columns_;
};

// Prompts of each of these numbers of responses, `each` times, in turns.
inline std::vector<std::int64_t> sizes_of(std::vector<std::int64_t> kinds, std::int64_t each) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < each; ++i) out.insert(out.end(), kinds.begin(), kinds.end());
  return out;
}

inline std::int64_t total(const std::vector<std::int64_t>& sizes) {
  std::int64_t out = 0;
  for (const std::int64_t size : sizes) out += size;
  return out;
}

// The table of G12: three prompts with four responses each, models "m0" = a and "m1" = b.
inline MemoryScores golden_scores() {
  const Value& vector = golden_vector("G12");
  return {{4, 4, 4},
          at::stack({tensor(vector.at("scores_a")).view({-1}),
                     tensor(vector.at("scores_b")).view({-1})})};
}

// The labelled pairs of G12, a prompt each: the chosen response comes first. `labels` of the first responses
// beside 0 for the second.
inline MemoryScores golden_pairs_of_scores(bool labelled_ties) {
  const Value& vector = golden_vector("G12");
  const at::Tensor scores =
      at::stack({tensor(vector.at("scores_a")), tensor(vector.at("scores_b"))});
  const auto& pairs = vector.at("pairs_prompt_chosen_rejected").as_list();
  std::vector<at::Tensor> columns;
  std::vector<double> labels;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& pair = pairs[i].as_list();
    for (const std::size_t response : {1, 2}) {
      columns.push_back(scores.select(1, pair[0].as_int()).select(1, pair[response].as_int()));
    }
    const double label = vector.at("labels").as_list()[i].as_real();
    labels.push_back(labelled_ties ? label : 1);
    labels.push_back(0);
  }
  MemoryScores out(std::vector<std::int64_t>(pairs.size(), 2), at::stack(columns, 1));
  out.labels_ = at::tensor(labels, at::kDouble);
  return out;
}

inline const Metric& number(const Comparison& comparison, std::string_view key,
                            std::string_view subject) {
  for (const Metric& metric : comparison.report.metrics) {
    if (metric.key == key && metric.subject == subject) return metric;
  }
  throw Error(cat("there is no number ", key, " of ", subject));
}

}  // namespace saffron::testing
