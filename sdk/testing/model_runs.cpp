#include "testing/model_runs.h"

#include "testing/expect.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace saffron::testing {

at::Tensor random_tokens(const ModelInfo& info, const Random& random, std::int64_t rows) {
  if (info.vocabulary < 1) fail(cat("info().vocabulary is ", info.vocabulary));
  const std::int64_t length = info.context > 0 ? std::min(kRunLength, info.context) : kRunLength;
  at::Tensor out = at::empty({rows, length}, at::kLong);
  auto* to = out.mutable_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    to[i] = static_cast<std::int64_t>(
        random.below(static_cast<std::uint64_t>(info.vocabulary), static_cast<std::uint64_t>(i)));
  }
  return out;
}

std::vector<std::string> some_sites(const Model& model, std::size_t count) {
  const std::vector<SiteInfo>& sites = model.sites();
  if (sites.empty()) skip("has no sites");
  const std::size_t taken = std::min(count, sites.size());
  std::vector<std::string> out;
  for (std::size_t i = 0; i < taken; ++i) {
    out.push_back(sites[taken == 1 ? 0 : i * (sites.size() - 1) / (taken - 1)].name);
  }
  return out;
}

}  // namespace saffron::testing
