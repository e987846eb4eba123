#pragma once

#include <saffron/context.h>
#include <saffron/sae.h>
#include <saffron/source.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <vector>

namespace saffron::plugins {

struct Job {
  std::vector<const TrainedSae*> saes;
  std::vector<std::int64_t> contexts;        // dataset rows
  std::map<std::int64_t, at::Tensor> means;  // by predicted stream: mean row, float64 [width]
  std::int64_t batch_contexts = 1;
};

// Loss of one variant of the model: sums over counted positions, one a context.
struct Losses {
  std::vector<double> ce, kl;  // kl of spliced SAEs only
};

struct Measured {
  std::vector<std::int64_t> positions;  // counted, of each context
  Losses clean;
  struct Variant {
    Losses spliced;
    std::size_t ablation = 0;  // number of its ablations
    double mean_l0 = 0;        // over the rows that were replaced
  };
  std::vector<Variant> saes;
  struct Ablation {  // of one set of sites
    std::vector<std::int64_t> streams;
    Losses zero, mean;
  };
  std::vector<Ablation> ablations;
};

// Runs the model. Error (cancelled) once the user asked to stop.
[[nodiscard]] Measured measure(const Job& job, ModelBacked& backed, const Context& context);

}  // namespace saffron::plugins
