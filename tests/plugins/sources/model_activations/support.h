#pragma once

#include "plugins/sources/model_activations/model_activations.h"
#include "tests/plugins/sources/fakes.h"

#include <memory>

namespace saffron::source_test {

using plugins::ModelActivations;

// A model, a dataset of 10 contexts of 6 tokens, and options that make blocks of 4 contexts.
struct Bench {
  Bench() {
    options.model = Ref<Model>("lm", model);
    options.dataset = Ref<Dataset>("text", dataset);
    options.sites = {"layers.0.resid_post", "layers.1.mlp_out"};
    options.block_contexts = 4;
    options.batch_contexts = 3;
  }
  std::unique_ptr<ModelActivations> make() const {
    return std::make_unique<ModelActivations>(options, context);
  }

  std::shared_ptr<FakeModel> model = std::make_shared<FakeModel>();
  std::shared_ptr<FakeDataset> dataset = std::make_shared<FakeDataset>(10, 6);
  FakeContext context;
  ModelActivations::Options options;
};

inline bool identical(const ActivationRows& a, const ActivationRows& b) {
  if (a.streams.size() != b.streams.size() || !identical(a.origin, b.origin)) return false;
  for (std::size_t i = 0; i < a.streams.size(); ++i) {
    if (!identical(a.streams[i], b.streams[i])) return false;
  }
  return true;
}

// Every value of the block against the model's formula at the row's origin.
inline void expect_raw(const Bench& bench, const ActivationRows& rows) {
  for (std::size_t s = 0; s < rows.streams.size(); ++s) {
    const at::Tensor& stream = rows.streams[s];
    ASSERT_EQ(stream.size(0), rows.origin.size(0));
    for (std::int64_t r = 0; r < stream.size(0); ++r) {
      const auto row = rows.origin[r][0].item<std::int64_t>();
      const auto position = rows.origin[r][1].item<std::int64_t>();
      for (std::int64_t j = 0; j < stream.size(1); ++j) {
        ASSERT_EQ(stream[r][j].item<double>(),
                  bench.model->value(bench.dataset->token(row, position), position, j,
                                     static_cast<std::int64_t>(s) + 1))
            << "stream " << s << ", row " << r << ", column " << j;
      }
    }
  }
}

}  // namespace saffron::source_test
