#pragma once

#include "choose.h"

#include <saffron/context.h>
#include <saffron/schema.h>
#include <saffron/scorer.h>

#include <cstdint>
#include <vector>

namespace saffron::plugins {

// The contexts in which latents are strongest, in text.
//
// Which latents are shown is known only once all rows have been seen, so the strongest contexts of
// every latent are kept on the way, with the activations around their peaks (latent_tops.h): memory
// is a few entries a latent and context, whatever the number of rows. Texts come from the dataset
// at the end; the model is not run again.
class TopContexts final : public Scorer {
 public:
  struct Options {
    RefList<Sae> sae;
    std::int64_t latents = 12;
    Choice choose = Choice::strongest;
    std::vector<std::int64_t> ids;
    std::int64_t contexts = 6;
    std::int64_t window = 24;
  };
  static Schema<Options> schema();

  // Error (invalid) unless the SAEs' source is backed by a model, or when an id is not a latent.
  TopContexts(const Options& options, const Context& context);

  [[nodiscard]] ScorerNeeds needs() const override;
  [[nodiscard]] std::unique_ptr<Accumulator> begin() const override;

 private:
  Options options_;
  const Context& context_;
};

}  // namespace saffron::plugins
