#pragma once

#include <saffron/code_penalty.h>
#include <saffron/properties.h>

#include <deque>
#include <utility>
#include <vector>

namespace saffron::plugins {

// Lp penalty on the codes, weighted, scaled and steered as code_penalty.h says, and p-annealing.
// (Karvonen et al. 2024, "Measuring Progress in Dictionary Learning ..."; dictionary_learning's
// p_anneal.py)
//
//   P(u_b) = c S_p(u_b)      S_p = sum_i |u_bi|^p             power
//                            S_p = (sum_i |u_bi|^p)^(1/p)     norm
//
// Annealing, in step t of T, with n = n_sparsity_updates, a = anneal_start, b = anneal_end:
//
//   p = p_start + (p_end - p_start) j / (n - 1)    from step (a + (b - a) j / (n - 1)) T on, j = 0 ... n - 1
//   c <- c mean(S_p) / mean(S_next p)              at each change that it sees, so that it goes on where it was:
//                                                  means over rows and over the last sparsity_queue_length
//                                                  steps before it
//
// With b = 1 the last change would fall behind the last step: p_end itself is not reached, as there.
// p_start = p_end: a constant p.
//
// Subgradients: where u = 0 (below the smallest normal number) the derivative is taken to be 0, also for
// p < 1, where it has no bound nearby: such a penalty holds what is 0 at 0, and never creates a code.
class Lp final : public CodePenalty, public DeclaresPenalty {
 public:
  enum class Spelling : std::uint8_t { power, norm };
  struct Options {
    CodePenaltyOptions scale = {};
    Spelling spelling = Spelling::power;
    double p_start = 1;
    double p_end = 0;
    double anneal_start = 0.1;
    double anneal_end = 1;
    std::int64_t n_sparsity_updates = 10;
    std::int64_t sparsity_queue_length = 10;
    SparsityControlOptions control = {};
  };
  static Schema<Options> schema();

  explicit Lp(const Options& options)
      : CodePenalty(options.scale, options.control), options_(options) {}

  [[nodiscard]] PenaltyProperties penalty_properties() const override;
  [[nodiscard]] std::vector<std::pair<std::string, double>> readings(std::int64_t i) const override;
  [[nodiscard]] State save() const override;
  void load(const State& state) override;

 protected:
  [[nodiscard]] at::Tensor of_codes(const Codes& u, const TrainStep& step, std::int64_t i) override;

 private:
  // Of one SAE.
  struct Annealing {
    std::int64_t change = 0;  // j
    double factor = 1;        // c
    // mean_b S_p and mean_b S_next of the last steps.
    std::deque<std::pair<double, double>> queue;
  };
  [[nodiscard]] double p_of(std::int64_t change) const;
  [[nodiscard]] std::int64_t last_change() const;
  [[nodiscard]] std::int64_t change_at(std::int64_t step, std::int64_t steps) const;
  [[nodiscard]] bool nears_a_change(const Annealing& of, const TrainStep& step) const;
  // mean_b S_p of |u| >= 0, differentiable.
  [[nodiscard]] at::Tensor mean_penalty(const Codes& magnitudes, double p) const;

  Options options_;
  std::vector<Annealing> annealing_;  // by SAE; made when a step names it
};

}  // namespace saffron::plugins
