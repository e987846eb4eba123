// @NAME@: a regularizer, a further term of the training loss.
//
// Change first: the formula below, penalty() and penalty_properties(); then Options and
// schema(), whose texts `saffron inspect` shows; then the summary and the source in the last
// lines. @NAME@_test.cpp compares it with a number computed by hand.
//
// What holds for every regularizer (saffron/regularizer.h):
// - penalty() returns a scalar with its graph, differentiable almost everywhere in codes,
//   reconstructions or parameters, which are leaves of the step; finite where those are.
// - Codes come as topk, csr or dense; their own sums, l1() and so on, work on all three. Their
//   dtype is the recipe's, float32 or float64: take it from them.
// - It stands over one SAE or several, step.saes(), and changes nothing of what it is given.
// - It is called by one thread, once a step. State that later results depend on (a running mean)
//   wants saffron::Stateful as a second base; random numbers come from step.random() alone.
// - What cannot work is a saffron::Error: one sentence with the value, with_help() for the way
//   out.

#include <saffron/plugin.h>
#include <saffron/properties.h>
#include <saffron/regularizer.h>

#include <ATen/TensorOperators.h>

namespace {

// Hoyer-square sparsity of the codes f [B, F], summed over the SAEs:
//
//   R(f) = mean_b ||f_b||_1^2 / max(||f_b||_2^2, floor)
//
// From 1, one active latent, to F, all alike. R(c f) = R(f) for every c > 0: unlike L1 it does not
// shrink what is active.
// (Hoyer 2004, "Non-negative matrix factorization with sparseness constraints"; squared as in Yang,
// Wen and Li 2020, "DeepHoyer: learning sparser neural network with differentiable scale-invariant
// sparsity measures")
class @CLASS@ final : public saffron::Regularizer, public saffron::DeclaresPenalty {
 public:
  struct Options {
    double floor = 1e-8;
  };
  static auto schema() {
    return saffron::Schema<Options>{}.param(
        "floor", &Options::floor,
        "smallest denominator; a row without active latents has penalty 0", saffron::positive());
  }
  explicit @CLASS@(const Options& options) : options_(options) {}

  at::Tensor penalty(const saffron::TrainStep& step) override {
    at::Tensor total;
    for (std::int64_t i = 0; i < step.saes(); ++i) {
      const saffron::Codes& f = step.codes(i);
      const at::Tensor squares = f.with_values(f.values().square()).l1();  // [B]
      const at::Tensor term = (f.l1().square() / squares.clamp_min(options_.floor)).mean();
      total = total.defined() ? total + term : term;
    }
    return total;
  }

  // What is true for every input, and tested as such. (R(c f) = R(f) is not, below the floor.)
  saffron::PenaltyProperties penalty_properties() const override {
    saffron::PenaltyProperties properties;
    properties.non_negative = true;
    properties.permutation_invariant = true;
    return properties;
  }

 private:
  Options options_;
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "Hoyer-square sparsity of the codes")
                   .cite("Hoyer 2004; Yang, Wen and Li 2020"))
