#pragma once

#include <saffron/comparator.h>
#include <saffron/percentile_interval.h>
#include <saffron/preference_metrics.h>
#include <saffron/random.h>
#include <saffron/schema.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

// Confidence intervals by the bootstrap of prompts (Efron 1979): the responses to a prompt stay together. All
// metrics use the same resamples, so that differences are paired.

namespace saffron::inline sdk_v1::preferences {

struct IntervalOptions {
  std::int64_t resamples = 1000;
  double confidence = 0.95;
};
[[nodiscard]] SAFFRON_EXPORT Schema<IntervalOptions> interval_schema();

// How often each prompt is in each resample: number b consists of the prompts P random.uniform(b, i), rounded
// down, i = 0..P-1. None where there is one prompt alone.
class SAFFRON_EXPORT Resamples {
 public:
  Resamples(const Random& random, const ScoreTable& table, std::int64_t count);
  [[nodiscard]] static Resamples none(const ScoreTable& table) { return {Random(0), table, 0}; }
  [[nodiscard]] std::int64_t count() const { return counts_.size(0); }
  // Of all resamples and the prompts of blocks [first, end), in their order: uint8 [B, n].
  [[nodiscard]] at::Tensor counts(std::size_t first, std::size_t end) const;

 private:
  at::Tensor counts_;                 // uint8 [B, P], prompts in the order of blocks
  std::vector<std::int64_t> begins_;  // of each block, and the end
};

// Sums over prompts of D numbers each, which f yields for a block of the table, [n, D]: [1 + B, D], first
// over all prompts, then over each resample. f is called from several threads.
[[nodiscard]] SAFFRON_EXPORT at::Tensor sum_over_prompts(
    const ScoreTable& table, const Resamples& resamples,
    const std::function<at::Tensor(std::size_t block)>& f);

// What is shown of values [1 + B, ...], first those of all prompts: matrices of pairs [1 + B, R, R], and
// numbers of single models [1 + B, R]. Adds `key`, and `key/low` and `key/high`, which are undefined with the
// reason where there is one prompt, and are not there where resamples = 0.
class SAFFRON_EXPORT WithIntervals {
 public:
  WithIntervals(const ScoreTable& table, const IntervalOptions& options)
      : names_(table.names()), prompts_(table.prompts()), options_(options) {}

  // `reasons` say why cells are NaN, as in PairMatrix.
  void add_pairs(std::string key, std::string definition, const at::Tensor& values,
                 std::vector<std::string> reasons = {}, Better better = Better::lower);
  // Of `like` everything but value and subject is used; its `undefined` says why models' values are NaN.
  void add_models(const Metric& like, const at::Tensor& values);
  // Hands over what was added: matrices, numbers, and a table of both with their intervals. `suffix` goes
  // behind keys and titles: "[domain=code]".
  void move_to(Comparison& out, const std::string& suffix = {});

 private:
  [[nodiscard]] std::string drawn_anew() const;
  [[nodiscard]] std::string why_none() const;

  std::vector<std::string> names_;
  std::int64_t prompts_;
  IntervalOptions options_;
  std::vector<PairMatrix> matrices_;
  std::vector<Metric> numbers_;
  TableBlock models_;
};

// ---- ranking ------------------------------------------------------------------------------------

// Of p values of several tests: unchanged; Holm (1979), which keeps the chance of any wrong rejection below
// the level; Benjamini and Hochberg (1995), which keeps the expected share of wrong ones among all below it.
enum class Adjust : std::uint8_t { none, holm, benjamini_hochberg };
[[nodiscard]] SAFFRON_EXPORT std::vector<double> adjusted(const std::vector<double>& p,
                                                          Adjust adjust);

struct RankingOptions {
  Adjust adjust = Adjust::holm;
};
[[nodiscard]] SAFFRON_EXPORT Schema<RankingOptions> ranking_schema();

// Models in the order of values [1 + B, M], and of each two whether one is really ahead: their difference,
// its interval, and p = erfc(|z| / sqrt 2), z = difference / its standard deviation over the resamples, adjusted
// for the number of pairs. Models without a value are left out.
struct Ranking {
  std::string title;  // "Closest to 'human'"
  std::string value;  // "d_starc"
  std::vector<std::string> names;
  at::Tensor values;
  Better better = Better::lower;
};
[[nodiscard]] SAFFRON_EXPORT std::vector<Block> ranking_blocks(const Ranking& ranking,
                                                               Adjust adjust,
                                                               const IntervalOptions& options);

}  // namespace saffron::inline sdk_v1::preferences
