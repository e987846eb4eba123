#pragma once

#include <saffron/comparator.h>
#include <saffron/context.h>
#include <saffron/schema.h>
#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

// What comparators of drawn transitions share: reading a sampled world, episodes drawn anew for
// intervals, and distances of canonical rewards that are known at points, with noise.
//
// All in float64. Functions here may be called from several threads at once.

namespace saffron::inline sdk_v1::rewards {

// ---- the world ----------------------------------------------------------------------------------

// A sampled world's data and the value of every reward there.
struct SAFFRON_EXPORT SampledData {
  const World* world = nullptr;          // outlives this
  const SampledWorld* source = nullptr;  // the same
  double gamma = 0;
  at::Tensor states, actions, next_states;  // [N, ...], as the world has them
  at::Tensor terminal;                      // bool [N]
  at::Tensor episode;                       // int64 [N]: 0 to episodes - 1
  at::Tensor rewards;                       // float64 [R, N]
  std::int64_t episodes = 0;

  [[nodiscard]] std::int64_t count() const { return states.size(0); }
  [[nodiscard]] const std::vector<std::string>& names() const { return world->info().rewards; }
  // Every reward on n transitions: float64 [R, n]. Error (numeric) with the reward, the transition
  // and the value where one is not finite.
  [[nodiscard]] at::Tensor evaluate(const at::Tensor& s, const at::Tensor& a,
                                    const at::Tensor& next) const;
};

// Throws Error, naming the comparator and the way out, when the world is no sampled one.
[[nodiscard]] SAFFRON_EXPORT const SampledWorld& sampled(const World& world,
                                                         std::string_view comparator);
// The same, or when it holds no transition.
[[nodiscard]] SAFFRON_EXPORT SampledData read_samples(const World& world,
                                                      std::string_view comparator);

// The different rows among x [n, ...], compared as numbers.
struct SAFFRON_EXPORT DistinctRows {
  at::Tensor number;  // int64 [n]: which of them each row is
  at::Tensor first;   // int64 [U]: where each comes first
  [[nodiscard]] std::int64_t count() const { return first.size(0); }
};
[[nodiscard]] SAFFRON_EXPORT DistinctRows distinct_rows(const at::Tensor& x);
// The same numbers for equal rows of x and y: those of x, then those of y.
[[nodiscard]] SAFFRON_EXPORT DistinctRows distinct_rows(const at::Tensor& x, const at::Tensor& y);

// Transitions that a comparator is about to evaluate, in pieces, of a world that may know the rewards
// of some alone (KnownTransitions).
class SAFFRON_EXPORT NeededTransitions {
 public:
  explicit NeededTransitions(const SampledData& data) : data_(data) {}
  void add(const at::Tensor& s, const at::Tensor& a, const at::Tensor& next);
  // Error (data) when some are not known: how many of how many, the first of them, and what to do.
  // They are written to <artifacts>/needed_transitions.npz as states, actions and next_states, each
  // once, unless the context has no folder.
  void require_known(const Context& context) const;

 private:
  const SampledData& data_;
  std::int64_t asked_ = 0, unknown_ = 0;
  std::vector<at::Tensor> states_, actions_, next_states_;  // of those that are not known
};

// ---- options ------------------------------------------------------------------------------------

// How distances are estimated, the same for every comparator of samples.
struct SAFFRON_EXPORT SampleOptions {
  std::vector<std::string> distances = {"2-2", "pearson"};
  bool replicates = true;
  std::int64_t resamples = 1000;
  double confidence = 0.95;
  std::int64_t min_episodes = 10;
  static Schema<SampleOptions> schema();
};

// Between canonical rewards x and y under weights of sum 1:
//   2-2       || x / ||x|| - y / ||y|| ||
//   pearson   sqrt((1 - rho) / 2), rho their correlation
//   angle     between them as vectors, in [0, pi]
enum class SampleMeasure : std::uint8_t { two, pearson, angle };
[[nodiscard]] SAFFRON_EXPORT SampleMeasure parse_sample_measure(std::string_view text);

// ---- intervals ----------------------------------------------------------------------------------

// How often each episode counts, float64 [B + 1, E]: once in row 0, the data themselves, and as often
// as E draws with replacement yield it in the B others. The same for all pairs and measures.
[[nodiscard]] SAFFRON_EXPORT at::Tensor episode_weights(std::int64_t episodes,
                                                        std::int64_t resamples,
                                                        const Random& random);

// One distance in every resample: [B + 1, R, R], NaN where undefined, `reasons` as in PairMatrix.
struct SAFFRON_EXPORT ResampledDistance {
  at::Tensor values;
  std::vector<std::string> reasons;
  Certificate certificate;  // its `metric` is the key
  std::string definition;
  std::string no_interval;  // why it has none, or ""
};

// Adds a distance as `key`, and its percentile interval as `key`/low and `key`/high: undefined with
// a reason ("too few samples: ...") where there are fewer episodes than min_episodes, or where the
// distance is defined in fewer than 19 of 20 resamples.
SAFFRON_EXPORT void add_resampled(Comparison& out, ResampledDistance distance,
                                  std::int64_t episodes, const SampleOptions& options);

// A random split of the episodes in parts of equal size, up to one: int64 [E], 0 to parts - 1.
[[nodiscard]] SAFFRON_EXPORT at::Tensor episode_parts(std::int64_t episodes, std::int64_t parts,
                                                      const Random& random);
// `count` of the rows 0 to rows - 1 without replacement, or all where there are no more, in their order:
// int64 [min(count, rows)].
[[nodiscard]] SAFFRON_EXPORT at::Tensor random_rows(std::int64_t rows, std::int64_t count,
                                                    const Random& random);

// ---- canonical rewards at points ----------------------------------------------------------------

// Canonical rewards at n points, all rewards at the same ones.
struct SAFFRON_EXPORT SampledForm {
  at::Tensor values;  // float64 [R, n]
  at::Tensor other;   // of a second replicate, whose noise is independent of the first's
  at::Tensor weight;  // [n], sums to 1
};

// A canonical form and how it is estimated. Distances with a second replicate are
//
//   q_ij = (<c_i, c'_j> + <c'_i, c_j>) / 2,   rho = q_12 / sqrt(q_11 q_22),   d = sqrt(2 - 2 rho)
//
// whose products have no share of noise, while sqrt(2 - 2 rho) of one replicate takes two equal
// rewards of relative noise sigma to be sqrt(2 sigma^2 / (1 + sigma^2)) apart.
struct SAFFRON_EXPORT EstimatedForm {
  std::string name;  // "EPIC_sample"
  std::int64_t episodes = 0;
  at::Tensor scale;  // [R, n] at the points of `once`: as that of rewards::Canonical
  // By the weights of row b of episode_weights. Thread-safe.
  std::function<SampledForm(std::int64_t b)> once;
  std::function<SampledForm(std::int64_t b)> twice;  // with `other`; empty where there is none
  Certificate certificate;                           // all but metric, range and pseudometric
  std::string zero;                                  // what a form of 0 says of a reward
  std::string no_interval;                           // why the distances of `once` have none, or ""
  std::string shared;  // which noise both replicates of `twice` have in common, or ""
};

// Adds <name>/<distance> for every distance asked for, <name>/<distance>/replicates with a second
// replicate, and the intervals of both. Of replicates a reward is undefined ("too few samples: ...")
// where q_ii is not above 0 at the level 1 - confidence.
SAFFRON_EXPORT void add_estimates(Comparison& out, const EstimatedForm& form,
                                  const std::vector<std::string>& names,
                                  const SampleOptions& options);

// A table: of each reward its root mean square, that of its form, and the share that is left.
[[nodiscard]] SAFFRON_EXPORT Block form_sizes(const EstimatedForm& form, const SampledData& data);

// What is said of every distance of samples.
inline constexpr const char* kSampledOnly = "the sampled transitions only";

}  // namespace saffron::inline sdk_v1::rewards
