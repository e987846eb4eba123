#include <saffron/ops.h>

#include "ops/cpu/crowded.h"
#include "ops/cpu/row_sums.h"
#include "ops/cuda_ops.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

namespace saffron::inline sdk_v1::ops {
namespace {

constexpr std::int64_t kRowGrain = 16;

// Where row r's entries lie in values() and indices(): [begin(r), begin(r + 1)).
class EntryRange {
 public:
  explicit EntryRange(const Codes& codes)
      : k_(codes.layout() == Codes::Layout::topk ? codes.values().size(1) : 0),
        held_(codes.layout() == Codes::Layout::csr ? codes.offsets().contiguous() : at::Tensor()),
        offsets_(held_.defined() ? held_.const_data_ptr<std::int32_t>() : nullptr) {}
  [[nodiscard]] std::int64_t begin(std::int64_t row) const {
    return offsets_ != nullptr ? offsets_[row] : row * k_;
  }

 private:
  std::int64_t k_;
  at::Tensor held_;
  const std::int32_t* offsets_;
};

void check_matrix(const char* op, const Codes& codes, const at::Tensor& W) {
  if (W.dim() != 2 || W.size(0) != codes.latents()) {
    throw Error(cat(op, ": W ", W.sizes(), " is not [", codes.latents(), ", d]"));
  }
  if (W.scalar_type() != codes.values().scalar_type()) {
    throw Error(
        cat(op, ": W is ", W.toString(), ", the codes' values are ", codes.values().toString()));
  }
}

// Calls use(r, first entry, rows of W of the entries of r) for every row r. With `values`, entries of value
// 0 are left out and the others' values are the coefficients.
template <class T, class F>
void for_rows(const Codes& codes, const at::Tensor& W, const T* values, F&& use) {
  const at::Tensor indices = codes.indices().contiguous();
  const EntryRange range(codes);
  const std::int64_t d = W.size(1);
  const T* weights = W.const_data_ptr<T>();
  const std::int32_t* latent = indices.const_data_ptr<std::int32_t>();
  at::parallel_for(0, codes.rows(), kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> coefficients;
    std::vector<const T*> gathered;
    for (std::int64_t r = begin; r < end; ++r) {
      coefficients.clear();
      gathered.clear();
      for (std::int64_t e = range.begin(r); e < range.begin(r + 1); ++e) {
        if (values != nullptr) {
          if (values[e] == T(0)) continue;
          coefficients.push_back(values[e]);
        }
        gathered.push_back(weights + latent[e] * d);
      }
      use(r, range.begin(r),
          ops_cpu::GatheredRows<T>{static_cast<std::int64_t>(gathered.size()), coefficients.data(),
                                   gathered.data()});
    }
  });
}

template <class F>
void by_type(const char* op, const at::Tensor& values, F&& run) {
  if (values.scalar_type() == at::kFloat) return run(float{});
  if (values.scalar_type() == at::kDouble) return run(double{});
  throw Error(cat(op, ": values must be float32 or float64, not ", values.toString()));
}

}  // namespace

at::Tensor decode(const Codes& codes, const at::Tensor& W, const at::Tensor& b) {
  check_matrix("decode", codes, W);
  const c10::AutoGradMode no_grad(false);
  if (codes.layout() == Codes::Layout::dense) {
    const at::Tensor out = at::mm(codes.values(), W);
    return b.defined() ? out + b : out;
  }
  if (W.is_cuda() || codes.values().is_cuda()) return ops_cuda::decode(codes, W, b);
  if (ops_cpu::crowded(codes)) return ops_cpu::decode_crowded(codes, W.detach(), b);
  const std::int64_t d = W.size(1);
  at::Tensor out = at::empty({codes.rows(), d}, W.options().requires_grad(false));
  const at::Tensor weights = W.detach().contiguous();
  const at::Tensor values = codes.values().detach().contiguous();
  const at::Tensor bias = b.defined() ? b.detach().contiguous() : b;
  by_type("decode", values, [&]<class T>(T) {
    const T* start = bias.defined() ? bias.const_data_ptr<T>() : nullptr;
    T* result = out.mutable_data_ptr<T>();
    for_rows<T>(codes, weights, values.const_data_ptr<T>(),
                [&](std::int64_t r, std::int64_t, const ops_cpu::GatheredRows<T>& entries) {
                  ops_cpu::combine(d, entries, start, result + r * d);
                });
  });
  return out;
}

at::Tensor code_gradient(const Codes& codes, const at::Tensor& W, const at::Tensor& g) {
  check_matrix("code_gradient", codes, W);
  if (g.dim() != 2 || g.size(0) != codes.rows() || g.size(1) != W.size(1)) {
    throw Error(
        cat("code_gradient: g ", g.sizes(), " is not [", codes.rows(), ", ", W.size(1), "]"));
  }
  const c10::AutoGradMode no_grad(false);
  if (codes.layout() == Codes::Layout::dense) return at::mm(g, W.t());
  if (W.is_cuda() || g.is_cuda()) return ops_cuda::code_gradient(codes, W, g);
  if (ops_cpu::crowded(codes)) return ops_cpu::code_gradient_crowded(codes, W.detach(), g.detach());
  const std::int64_t d = W.size(1);
  at::Tensor out = at::zeros(codes.values().sizes(), W.options().requires_grad(false));
  const at::Tensor weights = W.detach().contiguous(), rows = g.detach().contiguous();
  by_type("code_gradient", codes.values(), [&]<class T>(T) {
    const T* upstream = rows.const_data_ptr<T>();
    T* result = out.mutable_data_ptr<T>();
    for_rows<T>(codes, weights, nullptr,
                [&](std::int64_t r, std::int64_t first, const ops_cpu::GatheredRows<T>& entries) {
                  ops_cpu::inner_products(d, entries, upstream + r * d, result + first);
                });
  });
  return out;
}

LatentGroups group_by_latent(const Codes& support) {
  if (support.indices().is_cuda()) return ops_cuda::group_by_latent(support);
  const at::Tensor indices = support.indices().contiguous();
  const EntryRange range(support);
  const std::int64_t count = range.begin(support.rows());
  const auto options = at::TensorOptions().dtype(at::kInt);
  LatentGroups groups{at::zeros({support.latents() + 1}, options), at::empty({count}, options),
                      at::empty({count}, options)};
  const std::int32_t* latent = indices.const_data_ptr<std::int32_t>();
  std::int32_t* offset = groups.offsets.mutable_data_ptr<std::int32_t>();
  std::int32_t* entry = groups.entries.mutable_data_ptr<std::int32_t>();
  std::int32_t* row = groups.rows.mutable_data_ptr<std::int32_t>();
  for (std::int64_t e = 0; e < count; ++e) ++offset[latent[e] + 1];
  for (std::int64_t i = 0; i < support.latents(); ++i) offset[i + 1] += offset[i];
  std::vector<std::int32_t> next(offset, offset + support.latents());
  for (std::int64_t r = 0; r < support.rows(); ++r) {
    for (std::int64_t e = range.begin(r); e < range.begin(r + 1); ++e) {
      const std::int32_t at = next[static_cast<std::size_t>(latent[e])]++;
      entry[at] = static_cast<std::int32_t>(e);
      row[at] = static_cast<std::int32_t>(r);
    }
  }
  return groups;
}

at::Tensor sum_by_latent(const Codes& codes) {
  const c10::AutoGradMode no_grad(false);
  if (codes.layout() == Codes::Layout::dense) return codes.values().detach().sum(0);
  if (codes.values().is_cuda()) {  // not index_add_, whose sums depend on timing
    const at::Tensor ones = at::ones({codes.rows(), 1}, codes.values().options());
    return ops_cuda::form_gradient({codes, ones}).squeeze(1);
  }
  at::Tensor out = at::zeros({codes.latents()}, codes.values().options().requires_grad(false));
  const at::Tensor values = codes.values().detach().contiguous();
  const at::Tensor indices = codes.indices().contiguous();
  const std::int64_t count = EntryRange(codes).begin(codes.rows());
  by_type("sum_by_latent", values, [&]<class T>(T) {
    const T* value = values.const_data_ptr<T>();
    const std::int32_t* latent = indices.const_data_ptr<std::int32_t>();
    T* sum = out.mutable_data_ptr<T>();
    for (std::int64_t e = 0; e < count; ++e) sum[latent[e]] += value[e];
  });
  return out;
}

}  // namespace saffron::inline sdk_v1::ops
