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

constexpr std::int64_t kShare = 6;                      // more than 1 / this of all entries
constexpr std::int64_t kLeast = 1 << 20;                // entries in all for which it matters
constexpr std::int64_t kDenseRows = 256, kBlock = 512;  // of rows and latents

// Rows [first, first + count) of a csr, whose offsets and indices are contiguous.
struct Part {
  std::int64_t first, count;
  const std::int32_t *offsets, *latents;
};

at::Tensor dense_buffer(const Codes& codes, std::int64_t width) {
  return at::empty({std::min(kDenseRows, codes.rows()), width},
                   codes.values().options().requires_grad(false));
}

Part part_of(const Codes& codes, std::int64_t number) {
  const std::int64_t first = number * kDenseRows;
  return {first, std::min(kDenseRows, codes.rows() - first),
          codes.offsets().const_data_ptr<std::int32_t>() + first,
          codes.indices().const_data_ptr<std::int32_t>()};
}

std::int64_t parts(const Codes& codes) { return (codes.rows() + kDenseRows - 1) / kDenseRows; }

// Calls use(Part, room for its rows of some width) for all parts, in parallel; at least two tasks, as EncodeTiles has.
template <class Use>
void for_parts(const Codes& codes, std::int64_t width, Use&& use) {
  at::parallel_for(0, std::max<std::int64_t>(parts(codes), 2), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     const c10::AutoGradMode no_grad(false);
                     at::Tensor dense = dense_buffer(codes, width);
                     for (std::int64_t i = begin; i < std::min(end, parts(codes)); ++i) {
                       use(part_of(codes, i), dense);
                     }
                   });
}

// The values of the part's latents [first, first + width) as [count, width], 0 where there is none.
at::Tensor fill(const Part& part, const at::Tensor& values, std::int64_t first, std::int64_t width,
                const at::Tensor& buffer) {
  at::Tensor rows = buffer.view(-1).slice(0, 0, part.count * width).view({part.count, width});
  rows.zero_();
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "fill", [&] {
    const scalar_t* const value = values.const_data_ptr<scalar_t>();
    scalar_t* const to = rows.mutable_data_ptr<scalar_t>();
    for (std::int64_t r = 0; r < part.count; ++r) {
      const std::int32_t* const end = part.latents + part.offsets[r + 1];
      const std::int32_t* at = std::lower_bound(part.latents + part.offsets[r], end, first);
      for (; at != end && *at < first + width; ++at) {
        to[r * width + *at - first] = value[at - part.latents];
      }
    }
  });
  return rows;
}

}  // namespace

bool crowded(const Codes& codes) {
  if (codes.layout() != Codes::Layout::csr || codes.values().is_cuda()) return false;
  const std::int64_t all = codes.rows() * codes.latents();
  return all >= kLeast && codes.values().size(0) * kShare > all &&
         codes.indices().is_contiguous() && codes.offsets().is_contiguous() &&
         codes.offsets()[codes.rows()].item<std::int32_t>() * kShare > all;
}

at::Tensor decode_crowded(const Codes& codes, const at::Tensor& W, const at::Tensor& b) {
  const at::Tensor values = codes.values().detach().contiguous();
  at::Tensor out = at::zeros({codes.rows(), W.size(1)}, W.options());
  for_parts(codes, kBlock, [&](const Part& part, at::Tensor& buffer) {
    at::Tensor rows = out.slice(0, part.first, part.first + part.count);
    for (std::int64_t first = 0; first < codes.latents(); first += kBlock) {
      const std::int64_t last = std::min(first + kBlock, codes.latents());
      rows.addmm_(fill(part, values, first, last - first, buffer), W.slice(0, first, last));
    }
  });
  return b.defined() ? out.add_(b) : out;
}

at::Tensor code_gradient_crowded(const Codes& codes, const at::Tensor& W, const at::Tensor& g) {
  at::Tensor out = at::zeros(codes.values().sizes(), W.options());
  const std::int64_t width = codes.latents();
  for_parts(codes, width, [&](const Part& part, at::Tensor& dense) {
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

// By blocks of latents, in parallel.
at::Tensor form_crowded(const Codes& support, const at::Tensor& rows) {
  const at::Tensor values = support.values().detach().contiguous();
  const std::int64_t latents = support.latents(), blocks = (latents + kBlock - 1) / kBlock;
  at::Tensor out = at::zeros({latents, rows.size(1)}, rows.options());
  at::parallel_for(0, std::max<std::int64_t>(blocks, 2), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     const c10::AutoGradMode no_grad(false);
                     for (std::int64_t first = begin * kBlock;
                          first < std::min(end * kBlock, latents); first += kBlock) {
                       const std::int64_t last = std::min(first + kBlock, latents);
                       const at::Tensor buffer = dense_buffer(support, kBlock);
                       at::Tensor to = out.slice(0, first, last);
                       for (std::int64_t i = 0; i < parts(support); ++i) {
                         const Part part = part_of(support, i);
                         to.addmm_(fill(part, values, first, last - first, buffer).t(),
                                   rows.slice(0, part.first, part.first + part.count));
                       }
                     }
                   });
  return out;
}

}  // namespace saffron::ops_cpu
