#pragma once

#include <saffron/preference_columns.h>
#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What comparators of reward models' scores share: the table of scores, its canonical form, and exact
// worst-case regret. Intervals are in preference_intervals.h.
//
// Scores r(x, y) of responses y to prompts x make a contextual bandit: one step, the prompt is the state, the
// response the action, and every prompt counts the same. No policy's rank changes when each prompt adds an
// offset of its own to all scores, or all are multiplied by a positive factor; an offset is potential shaping
// here. The observed responses are all that there are.
//
// float64; results do not depend on the number of threads.

namespace saffron::inline sdk_v1::preferences {

// Prompts with equally many responses, side by side: what is said of each response is [K, n], of each
// model's score [R, K, n].
struct SAFFRON_EXPORT PromptBlock {
  at::Tensor prompts;  // int64 [n]
  at::Tensor rows;     // int64 [K, n], of the table
  at::Tensor scores;   // [R, K, n]
  [[nodiscard]] std::int64_t responses() const { return rows.size(0); }  // K
  [[nodiscard]] std::int64_t count() const { return rows.size(1); }      // n
  // Values of the table's rows [N], or [.., N], at this block's: [K, n], or [.., K, n].
  [[nodiscard]] at::Tensor take(const at::Tensor& values) const;
};

// The world as one of scores. Error (invalid), naming the comparator, when it is none.
[[nodiscard]] SAFFRON_EXPORT const PreferenceWorld& scored(const World& world,
                                                           std::string_view comparator);

class SAFFRON_EXPORT ScoreTable {
 public:
  // Error (invalid), naming the comparator, when it is no preference world; Error (numeric), naming the
  // model, when a score's square overflows.
  ScoreTable(const World& world, std::string_view comparator);

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] std::int64_t models() const { return static_cast<std::int64_t>(names_.size()); }
  [[nodiscard]] std::int64_t prompts() const { return begins_.size(0) - 1; }  // P
  [[nodiscard]] std::int64_t responses() const { return scores_.size(1); }    // N
  [[nodiscard]] const at::Tensor& scores() const { return scores_; }          // [R, N]
  [[nodiscard]] const at::Tensor& labels() const { return labels_; }          // [N] or undefined
  [[nodiscard]] const at::Tensor& log_reference() const { return log_reference_; }  // likewise
  [[nodiscard]] const std::vector<PromptBlock>& blocks() const { return blocks_; }

  // The number of a model, and a column; Error (invalid) with the nearest name, or where the column has
  // words, or numbers, and the other is needed. `option` is what the user wrote the name for.
  [[nodiscard]] std::int64_t model(const std::string& name, std::string_view option) const;
  [[nodiscard]] const ResponseColumn& column(const std::string& name, std::string_view option,
                                             bool categorical) const;
  // Their numbers where the world has no names.
  [[nodiscard]] std::string prompt_name(std::int64_t prompt) const;
  [[nodiscard]] std::string response_name(std::int64_t row) const;

  // The prompts of each word of a column that occurs. Error (data) where the responses to one prompt differ
  // in it.
  struct Slice;
  [[nodiscard]] std::vector<Slice> slices(const std::string& column, std::string_view option) const;

 private:
  ScoreTable() = default;
  [[nodiscard]] ScoreTable where(const at::Tensor& prompts) const;
  void require_squares() const;
  void make_blocks();

  std::vector<std::string> names_;
  at::Tensor scores_, prompt_of_, labels_, log_reference_;
  at::Tensor begins_;  // int64 [P + 1], of each prompt's rows
  std::vector<PromptBlock> blocks_;
  std::vector<std::string> prompt_names_, response_names_;
  std::vector<ResponseColumn> columns_;
};

struct ScoreTable::Slice {
  std::string key;  // "domain=code"
  ScoreTable table;
};

// x of response k less x of response l for all pairs k < l: [.., K, n] -> [.., K (K - 1) / 2, n].
[[nodiscard]] SAFFRON_EXPORT at::Tensor pair_differences(const at::Tensor& x);

// How much each response counts within its prompt, of sum 1: all the same, or as a reference policy draws
// them, pi_ref over the sum of pi_ref of the prompt's observed responses.
enum class ResponseWeights : std::uint8_t { uniform, reference };

// Error (invalid) where the table has no log_reference.
SAFFRON_EXPORT void require_reference(const ScoreTable& table);

// c(R), the scores less each prompt's weighted mean, over their norm. This is the VAL form of the policy that
// the weights are, and the minimal one in their norm (Skalse et al. 2024):
//
//   ||c||^2 = 1/P sum_x sum_y w(y | x) c(x, y)^2
struct SAFFRON_EXPORT CentredScores {
  // Error (invalid) where the weights are the reference's and the table has none.
  CentredScores(const ScoreTable& table, ResponseWeights weights);

  std::vector<at::Tensor> unit;     // of each block [R, K, n]: c / ||c||, 0 where trivial
  std::vector<at::Tensor> weights;  // of each block [K, n]
  std::vector<double> norm, size;   // of each model ||c|| and ||R||
  std::vector<bool> trivial;        // ||c|| is rounding beside ||R||: no response beats another
  double least_weight = 1;          // of a response
};

// Worst-case regret in the bandit. With range(R) = 1/P sum_x (max_y R - min_y R), R° = R / range(R):
//
//   span   range(R1° - R2°), in [0, 2]
//   w12    min over lambda >= 0 of range(R1° - lambda R2°), in [0, 1]; 0 where R1 is trivial
//
// which is what rewards::PolicyReturns plans for in an MDP; here each prompt's best and worst response are
// looked up.
class SAFFRON_EXPORT BanditReturns {
 public:
  // Refers to `centred`, which must outlive it.
  BanditReturns(const ScoreTable& table, const CentredScores& centred);

  [[nodiscard]] const CentredScores& centred() const { return centred_; }
  [[nodiscard]] const at::Tensor& ranges() const { return ranges_; }  // of the unit scores [R]
  [[nodiscard]] at::Tensor spans() const;                             // [R, R]
  struct WorstCases {
    at::Tensor regret;  // w12 [R, R], the row's model being reward 1
    at::Tensor lambda;  // where it is attained, of the unit scores [R, R]; NaN where R1 is trivial
  };
  [[nodiscard]] WorstCases worst_cases() const;

  // max - min over responses of c_i - lambda c_j, of unit scores: of each question and prompt of a block a line
  // in lambda that supports it where it was asked, and there attains it.
  struct Question {
    std::int64_t i = 0, j = 0;
    double lambda = 0;
  };
  struct Lines {
    at::Tensor intercept, slope;  // [Q, n]
  };
  [[nodiscard]] Lines lines(std::size_t block, const std::vector<Question>& questions) const;

  // The responses that attain max and min, and what c_i loses from the one to the other.
  struct Support {
    at::Tensor best, worst;  // int64 [n], of 0..K-1
    at::Tensor loss;         // [n]
  };
  [[nodiscard]] Support support(std::size_t block, const Question& of) const;

 private:
  [[nodiscard]] at::Tensor mean_lines(const std::vector<Question>& questions) const;

  std::int64_t prompts_;
  const CentredScores& centred_;
  at::Tensor ranges_;
};

}  // namespace saffron::inline sdk_v1::preferences
