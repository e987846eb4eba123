// @NAME@: a comparator, distances between reward functions.
//
// Change first: the formula below and compare(); then certify(), which promises no more than is
// proved; then Options and schema(). What tabular comparators share (standardised distances,
// policy evaluation, reachable states) is in saffron/reward_metrics.h, and exact planning in
// saffron/reward_planning.h.
//
// What holds for every comparator (saffron/comparator.h):
// - It gets all rewards of a world together and returns one float64 [R, R] matrix a metric, with
//   NaN and a reason where there is no value.
// - Every metric has a certificate: what the distance needs, what it is blind to, whether it is
//   a pseudometric, whether it bounds regret (sound) or is bounded by it (complete), and what it
//   covers. It is printed with every result: an empty promise is better than a wrong one.
// - A world without the capability that it needs is a saffron::Error that names the comparator.
// - A reward that the method cannot tell from nothing is named in Comparison::degenerate.

#include <saffron/comparator.h>
#include <saffron/plugin.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>

namespace {

// Mean absolute difference of standardised rewards over a coverage distribution
// c(s, a, s') = D_S(s) D_A(a) tau(s' | s, a) of transitions:
//
//   s(R) = R / E_c |R|,  or 0 where that is 0           d(R1, R2) = E_c |s(R1) - s(R2)|,  in [0, 2]
//
// It removes the scale and nothing else: a baseline that canonicalising distances (EPIC, STARC)
// should beat, not one to trust. (Of the kind of the direct distances in Gleave et al. 2021,
// "Quantifying differences in reward functions")
class @CLASS@ final : public saffron::Comparator {
 public:
  struct Options {
    bool standardise = true;
  };
  static auto schema() {
    return saffron::Schema<Options>{}.param(
        "standardise", &Options::standardise,
        "divide each reward by its mean absolute value; otherwise scale counts");
  }
  explicit @CLASS@(const Options& options) : options_(options) {}

  saffron::Comparison compare(const saffron::World& world) override {
    const saffron::TabularWorld& mdp = saffron::rewards::dense_tabular(world, "@NAME@");
    const at::Tensor coverage = mdp.state_distribution().unsqueeze(1).unsqueeze(2) *
                                mdp.action_distribution().unsqueeze(1) * mdp.transitions().dense;
    const at::Tensor c = coverage.reshape({-1});                                    // [N]
    const at::Tensor rewards = mdp.rewards().reshape({mdp.rewards().size(0), -1});  // [R, N]
    const at::Tensor size = rewards.abs().matmul(c);                                // [R]
    at::Tensor s = rewards;
    if (options_.standardise) {
      s = at::where((size == 0).unsqueeze(1), rewards * 0, rewards / size.unsqueeze(1));
    }

    saffron::PairMatrix matrix;
    matrix.key = key();
    matrix.values = (s.unsqueeze(1) - s.unsqueeze(0)).abs().matmul(c);
    matrix.definition = options_.standardise
                            ? "E_c |R1 / E_c |R1| - R2 / E_c |R2||, c = D_S x D_A x tau"
                            : "E_c |R1 - R2|, c = D_S x D_A x tau";
    saffron::Comparison out;
    out.metrics = {matrix};
    out.certificates = {certify(2 * size.max().item<double>())};
    for (std::int64_t i = 0; i < size.size(0); ++i) {
      if (size[i].item<double>() != 0) continue;
      out.degenerate.push_back(saffron::cat("reward '",
                                            world.info().rewards.at(static_cast<std::size_t>(i)),
                                            "' is 0 on every covered transition"));
    }
    return out;
  }

 private:
  std::string key() const { return options_.standardise ? "MAD/standardised" : "MAD/raw"; }

  saffron::Certificate certify(double largest) const {
    saffron::Certificate c;
    c.metric = key();
    c.needs = {"transitions", "D_S and D_A"};
    if (options_.standardise) c.invariant_to = {"positive scaling"};
    c.pseudometric = true;  // an L1 distance of images under one map
    c.low = 0;
    c.high = options_.standardise ? 2 : largest;
    c.covers = "the transitions that D_S x D_A and the dynamics produce";
    c.caveat =
        "It sees potential shaping and how a reward is spread over next states, which no policy's "
        "return does: rewards that order all policies alike can be far apart.";
    return c;
  }

  Options options_;
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "Mean absolute difference of rewards")
                   .describe("A baseline: it removes the scale of a reward, and nothing else.")
                   .cite("Gleave et al. 2021"))
