#include "ops/cpu/crowded.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdint>

namespace saffron::ops_cpu {
namespace {

constexpr std::int64_t kShare = 6;             // more than 1 / this of all entries
constexpr std::int64_t kLeast = 1 << 20;       // entries in all for which it matters
constexpr std::int64_t kDenseRows = 256;

// Rows [first, first + count) of a csr, whose offsets and indices are contiguous.
struct Part {
  std::int64_t first, count;
  const std::int32_t *offsets, *latents;
};

at::Tensor dense_buffer(const Codes& codes) {
  return at::empty({std::min(kDenseRows, codes.rows()), codes.latents()},
                   codes.values().options().requires_grad(false));
}

Part part_of(const Codes& codes, std::int64_t number) {
  const std::int64_t first = number * kDenseRows;
  return {first, std::min(kDenseRows, codes.rows() - first),
          codes.offsets().const_data_ptr<std::int32_t>() + first,
          codes.indices().const_data_ptr<std::int32_t>()};
}

std::int64_t parts(const Codes& codes) { return (codes.rows() + kDenseRows - 1) / kDenseRows; }

// Calls use(Part, dense rows for it) for all parts, in parallel; at least two tasks, as EncodeTiles has.
template <class Use>
void for_parts(const Codes& codes, Use&& use) {
  at::parallel_for(0, std::max<std::int64_t>(parts(codes), 2), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     const c10::AutoGradMode no_grad(false);
                     at::Tensor dense = dense_buffer(codes);
                     for (std::int64_t i = begin; i < std::min(end, parts(codes)); ++i) {
                       use(part_of(codes, i), dense);
                     }
                   });
}

// The part's values in `dense` [at least count, F], 0 where there is none.
at::Tensor fill(const Part& part, const at::Tensor& values, at::Tensor& dense) {
  at::Tensor rows = dense.slice(0, 0, part.count);
  rows.zero_();
  const std::int64_t width = dense.size(1);
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "fill", [&] {
    const scalar_t* const value = values.const_data_ptr<scalar_t>();
    scalar_t* const to = rows.mutable_data_ptr<scalar_t>();
    for (std::int64_t r = 0; r < part.count; ++r) {
      for (std::int32_t e = part.offsets[r]; e < part.offsets[r + 1]; ++e) {
        to[r * width + part.latents[e]] = value[e];
      }
    }
  });
  return rows;
}

}  // namespace

bool crowded(const Codes& codes) {
  if (codes.layout() != Codes::Layout::csr || codes.values().is_cuda()) return false;
  const std::int64_t all = codes.rows() * codes.latents();
  return all >= kLeast && codes.values().size(0) * kShare > all && codes.indices().is_contiguous() &&
         codes.offsets().is_contiguous() &&
         codes.offsets()[codes.rows()].item<std::int32_t>() * kShare > all;
}

at::Tensor decode_crowded(const Codes& codes, const at::Tensor& W, const at::Tensor& b) {
  const at::Tensor values = codes.values().detach().contiguous();
  at::Tensor out = at::empty({codes.rows(), W.size(1)}, W.options());
  for_parts(codes, [&](const Part& part, at::Tensor& dense) {
    at::Tensor rows = out.slice(0, part.first, part.first + part.count);
    at::mm_out(rows, fill(part, values, dense), W);
  });
  return b.defined() ? out.add_(b) : out;
}

at::Tensor code_gradient_crowded(const Codes& codes, const at::Tensor& W, const at::Tensor& g) {
  at::Tensor out = at::zeros(codes.values().sizes(), W.options());
  const std::int64_t width = codes.latents();
  for_parts(codes, [&](const Part& part, at::Tensor& dense) {
    at::Tensor products = dense.slice(0, 0, part.count);
    at::mm_out(products, g.slice(0, part.first, part.first + part.count), W.t());
    AT_DISPATCH_FLOATING_TYPES(out.scalar_type(), "code_gradient", [&] {
      const scalar_t* const from = products.const_data_ptr<scalar_t>();
      scalar_t* const to = out.mutable_data_ptr<scalar_t>();
      for (std::int64_t r = 0; r < part.count; ++r) {
        for (std::int32_t e = part.offsets[r]; e < part.offsets[r + 1]; ++e) {
          to[e] = from[r * width + part.latents[e]];
        }
      }
    });
  });
  return out;
}

at::Tensor form_crowded(const Codes& support, const at::Tensor& rows) {
  const at::Tensor values = support.values().detach().contiguous();
  at::Tensor dense = dense_buffer(support);
  at::Tensor out = at::zeros({support.latents(), rows.size(1)}, rows.options());
  for (std::int64_t i = 0; i < parts(support); ++i) {
    const Part part = part_of(support, i);
    out.addmm_(fill(part, values, dense).t(), rows.slice(0, part.first, part.first + part.count));
  }
  return out;
}

}  // namespace saffron::ops_cpu
