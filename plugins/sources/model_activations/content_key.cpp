#include "content_key.h"

#include "contexts.h"

#include <saffron/io.h>
#include <saffron/random.h>

#include <c10/core/GradMode.h>

#include <algorithm>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kSampled = 64;  // rows whose tokens count
constexpr std::int64_t kProbed = 4;    // of these, run through the model

void update(Sha256& hash, const at::Tensor& tensor) {
  const at::Tensor plain = tensor.detach().cpu().contiguous();
  hash.update(cat(plain.scalar_type(), plain.sizes()));
  hash.update({static_cast<const std::byte*>(plain.const_data_ptr()), plain.nbytes()});
}

std::string digest_of_tokens(const Contexts& contexts) {
  Sha256 hash;
  update(hash, contexts.tokens());
  update(hash, contexts.origin());
  return hash.hex();
}

std::string digest_of_activations(Model& model, const Contexts& contexts,
                                  std::span<const std::string> sites) {
  const c10::NoGradGuard no_grad;
  Sha256 hash;
  for (const Contexts::Batch& batch : contexts.batches(kProbed)) {
    const RunResult result = model.run(contexts.tokens_of(batch), sites, {}, false);
    for (const at::Tensor& tap : result.taps) update(hash, tap);
  }
  return hash.hex();
}

}  // namespace

std::string content_key(Model& model, const Dataset& dataset, std::span<const std::string> sites,
                        Value parameters) {
  const std::int64_t rows = dataset.info().rows;
  const Permutation order(Random(0).fork("content key"), static_cast<std::uint64_t>(rows));
  std::vector<std::int64_t> sample;
  for (std::int64_t i = 0; i < std::min(kSampled, rows); ++i) {
    sample.push_back(static_cast<std::int64_t>(order(static_cast<std::uint64_t>(i))));
  }
  const std::vector<std::int64_t> probe(sample.begin(), sample.begin() + std::min(kProbed, rows));

  Value key = Value::table();
  key.set("parameters", std::move(parameters));
  Value names = Value::list();
  for (const std::string& site : sites) names.push(site);
  key.set("sites", std::move(names));
  key.set("dataset_rows", rows);
  key.set("dataset_length", dataset.info().length);
  key.set("tokens", digest_of_tokens(Contexts(dataset, sample, 0)));
  key.set("activations", digest_of_activations(model, Contexts(dataset, probe, 0), sites));
  return sha256(to_json(key, JsonStyle::canonical)).substr(0, 32);
}

}  // namespace saffron::plugins
