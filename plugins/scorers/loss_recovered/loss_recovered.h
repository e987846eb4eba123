#pragma once

#include <saffron/context.h>
#include <saffron/schema.h>
#include <saffron/scorer.h>

#include <cstdint>

namespace saffron::plugins {

// The model's next-token loss with an SAE's reconstruction in place of the activation.
//
//   CE = mean over counted positions p of -log q(token p+1 | tokens 0..p)          in nats
//
//   ce_increase          CE_spliced - CE_clean
//   kl                   mean over counted positions of KL(clean || spliced)
//   loss recovered       (CE_ablated - CE_spliced) / (CE_ablated - CE_clean)
//                        1 = nothing lost, 0 = as bad as the ablation.  Zero ablation: the site's
//                        activation is 0; mean ablation: it is its mean over all rows scored
//
// Replaced and ablated are the positions p >= first_position of the source, whose activations are
// the SAE's rows; earlier ones keep the model's own activation. Counted are those of them that have
// a next token: losses before them do not change in a causal model. An SAE's inputs are the clean
// run's activations; all its predicted sites are replaced at once.
//
// Contexts are drawn from those scored, uniformly, without replacement, by the node's seed. A batch
// costs one clean run, two ablated ones for each set of predicted sites, and one for each SAE; runs
// happen in finish(), when the mean is known.
class LossRecovered final : public Scorer {
 public:
  struct Options {
    RefList<Sae> sae;
    std::int64_t contexts = 32;
    std::int64_t batch_contexts = 4;
  };
  static Schema<Options> schema();

  // Error (invalid) unless the SAEs' source is backed by a model.
  LossRecovered(const Options& options, const Context& context);

  [[nodiscard]] ScorerNeeds needs() const override;
  [[nodiscard]] std::unique_ptr<Accumulator> begin() const override;

 private:
  Options options_;
  const Context& context_;
};

}  // namespace saffron::plugins
