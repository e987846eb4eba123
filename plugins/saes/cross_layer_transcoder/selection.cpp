#include "selection.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace saffron::plugins {
namespace {

// The entries of topk codes for which `keep` [B, k] is true, as csr.
Codes kept_of(const Codes& codes, const at::Tensor& keep) {
  const std::int64_t rows = codes.rows(), k = codes.values().size(1);
  const auto [indices, order] = codes.indices().sort(1);  // a csr's latents ascend
  const at::Tensor offsets = at::arange(0, rows * k + 1, k, codes.indices().options());
  return Codes::csr(codes.values().gather(1, order).flatten(), indices.flatten(), offsets,
                    at::zeros({}, codes.indices().options()), codes.latents())
      .where(keep.gather(1, order).flatten());
}

}  // namespace

std::vector<Codes> largest_of_all(const std::vector<Codes>& spaces,
                                  const std::vector<at::Tensor>& compared, std::int64_t k) {
  const at::Tensor all = at::cat(compared, 1);
  const at::Tensor chosen = std::get<1>(all.topk(k, 1, true, false));
  const at::Tensor keep = at::zeros_like(all, at::kBool).scatter(1, chosen, true);
  std::vector<Codes> out;
  std::int64_t from = 0;
  for (const Codes& codes : spaces) {
    const std::int64_t held = codes.values().size(1);
    out.push_back(kept_of(codes, keep.narrow(1, from, held).logical_and(codes.values().gt(0))));
    from += held;
  }
  return out;
}

}  // namespace saffron::plugins
