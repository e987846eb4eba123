#include <saffron/ops.h>
#include <saffron/pursuit.h>

#include "ops/cpu/encode_tiles.h"
#include "ops/cpu/pursuit_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/zeros.h>

#include <numeric>

namespace saffron::ops_cpu {
namespace {

// The first place of the largest value; NaN is passed over, n where there is nothing else.
template <class T>
[[gnu::always_inline]] inline std::int64_t largest_body(std::int64_t n, const T* __restrict x) {
  T lanes[kLanes];
  for (int j = 0; j < kLanes; ++j) lanes[j] = -std::numeric_limits<T>::infinity();
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  }
  for (; i < n; ++i) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  T best = lanes[0];
  for (int j = 1; j < kLanes; ++j) best = lanes[j] > best ? lanes[j] : best;
  for (i = 0; i + kLanes <= n; i += kLanes) {
    int any = 0;
    for (int j = 0; j < kLanes; ++j) any |= x[i + j] == best;
    if (any != 0) break;
  }
  while (i < n && x[i] != best) ++i;
  return i;
}

SAFFRON_CLONES std::int64_t largest(std::int64_t n, const float* x) { return largest_body(n, x); }
SAFFRON_CLONES std::int64_t largest(std::int64_t n, const double* x) { return largest_body(n, x); }

template <class T>
void note_nan(NanPlace& nan, std::int64_t row, std::int64_t n, const T* x) {
  constexpr T kMost = std::numeric_limits<T>::infinity();
  for (std::int64_t i = 0; i < n; i += kLanes) {
    if (i + kLanes <= n && !any_above(x + i, nullptr, kMost)) continue;
    for (std::int64_t j = i; j < std::min(n, i + kLanes); ++j) {
      if (std::isnan(x[j])) return nan.note(row, static_cast<std::int32_t>(j));
    }
  }
}

// The Gram matrix is formed in square blocks, of which those above the diagonal are mirrored.
constexpr std::int64_t kGramBlock = 512;
// Rows whose correlations are held at a time: some MB, so that the product's cost is shared.
constexpr std::int64_t kPursuitRows = 32;

void form_gram(const at::Tensor& W, at::Tensor& gram) {
  const std::int64_t F = W.size(0), blocks = (F + kGramBlock - 1) / kGramBlock;
  const auto part = [&](std::int64_t i) {
    return std::pair{i * kGramBlock, std::min(F, (i + 1) * kGramBlock)};
  };
  at::parallel_for(0, std::max<std::int64_t>(blocks * blocks, 2), 1,
                   [&](std::int64_t b, std::int64_t e) {
                     const c10::AutoGradMode no_grad(false);
                     for (std::int64_t at = b; at < std::min(e, blocks * blocks); ++at) {
                       const auto [i, j] = std::pair{at / blocks, at % blocks};
                       if (j < i) continue;
                       const auto [r0, r1] = part(i);
                       const auto [c0, c1] = part(j);
                       at::Tensor block = gram.slice(0, r0, r1).slice(1, c0, c1);
                       at::mm_out(block, W.slice(0, r0, r1), W.slice(0, c0, c1).t());
                       if (i != j) gram.slice(0, c0, c1).slice(1, r0, r1).copy_(block.t());
                     }
                   });
}

template <class T>
class Pursuer {
 public:
  Pursuer(const at::Tensor& x, const at::Tensor& W, const ops::PursuitOptions& options)
      : x_(x), W_(W), options_(options), rows_(x.size(0)), F_(W.size(0)) {
    const std::int64_t k = options.k, triangle = PursuitRow<T>::triangle_size(k);
    const auto ints = x.options().dtype(at::kInt);
    count_ = at::zeros({rows_}, ints);
    latents_ = at::empty({rows_, k}, ints);
    values_ = at::empty({rows_, k}, x.options());
    residual_ = x.clone();
    if (options.orthogonal) {
      factors_ = at::zeros({rows_, triangle}, x.options());
      inner_ = at::empty({rows_, k}, x.options());
    }
  }

  void by_gram(const at::Tensor& gram) {
    const T* products = gram.const_data_ptr<T>();
    const PursuitTable<T> table = this->table();
    const std::int64_t tiles = (rows_ + kPursuitRows - 1) / kPursuitRows;
    at::parallel_for(0, std::max<std::int64_t>(tiles, 2), 1, [&](std::int64_t b, std::int64_t e) {
      const c10::AutoGradMode no_grad(false);
      for (std::int64_t tile = b; tile < std::min(e, tiles); ++tile) {
        const std::int64_t first = tile * kPursuitRows;
        const std::int64_t count = std::min(kPursuitRows, rows_ - first);
        T* start = Workspace::of_thread().room<T>(Workspace::products, kPursuitRows * F_);
        at::Tensor held = at::from_blob(start, {count, F_}, x_.options());
        at::mm_out(held, x_.slice(0, first, first + count), W_.t());
        for (std::int64_t r = 0; r < count; ++r) {
          note_nan(nan_, first + r, F_, start + r * F_);
          follow(PursuitRow<T>(table, first + r), products, start + r * F_);
        }
      }
    });
    nan_.check();
  }

  void directly() {
    std::vector<std::int64_t> active(static_cast<std::size_t>(rows_));
    std::iota(active.begin(), active.end(), 0);
    while (!active.empty()) {
      const auto n = static_cast<std::int64_t>(active.size());
      const at::Tensor rows =
          n == rows_ ? residual_
                     : residual_.index_select(
                           0, at::from_blob(active.data(), {n}, at::TensorOptions(at::kLong)));
      const Codes best = ops::encode_topk(rows, W_, {}, 1, ops::Keep::signed_values);
      active = take(active, best.indices().const_data_ptr<std::int32_t>(),
                    best.values().const_data_ptr<T>());
    }
  }

  ops::Pursuit result(const at::Tensor& names, std::int64_t latents);

 private:
  PursuitTable<T> table() {
    return {options_,
            x_.size(1),
            x_.const_data_ptr<T>(),
            W_.const_data_ptr<T>(),
            count_.mutable_data_ptr<std::int32_t>(),
            latents_.mutable_data_ptr<std::int32_t>(),
            values_.mutable_data_ptr<T>(),
            residual_.mutable_data_ptr<T>(),
            options_.orthogonal ? factors_.mutable_data_ptr<T>() : nullptr,
            options_.orthogonal ? inner_.mutable_data_ptr<T>() : nullptr};
  }

  // One row to its end; p [F] holds its correlations with all latents.
  void follow(PursuitRow<T> row, const T* gram, T* p) {
    T* now = p;
    if (options_.orthogonal) {
      now = Workspace::of_thread().room<T>(Workspace::values, F_);
      std::copy(p, p + F_, now);
    }
    std::vector<T> factors;
    std::vector<const T*> rows;
    for (;;) {
      const std::int64_t at = largest(F_, now);
      if (at == F_ || !row.take(static_cast<std::int32_t>(at), now[at])) return;
      const std::int64_t from = options_.orthogonal ? 0 : row.count() - 1;
      factors.clear();
      rows.clear();
      for (std::int64_t t = from; t < row.count(); ++t) {
        factors.push_back(-row.values()[t]);
        rows.push_back(gram + row.latents()[t] * F_);
      }
      combine(F_, {row.count() - from, factors.data(), rows.data()}, p, now);
    }
  }

  // Takes each active row's choice; the rows that go on.
  std::vector<std::int64_t> take(const std::vector<std::int64_t>& active,
                                 const std::int32_t* latents, const T* values) {
    constexpr std::int64_t kGrain = 16;
    const PursuitTable<T> table = this->table();
    std::vector<std::uint8_t> more(active.size());
    at::parallel_for(0, static_cast<std::int64_t>(active.size()), kGrain,
                     [&](std::int64_t b, std::int64_t e) {
                       for (std::int64_t i = b; i < e; ++i) {
                         const auto at = static_cast<std::size_t>(i);
                         PursuitRow<T> row(table, active[at]);
                         more[at] = row.take(latents[i], values[i]) ? 1 : 0;
                       }
                     });
    std::vector<std::int64_t> next;
    for (std::size_t i = 0; i < active.size(); ++i) {
      if (more[i] != 0) next.push_back(active[i]);
    }
    return next;
  }

  at::Tensor x_, W_;
  const ops::PursuitOptions& options_;
  std::int64_t rows_, F_;
  at::Tensor count_, latents_, values_, residual_, factors_, inner_;
  NanPlace nan_;
};

// Choices packed row by row, and summed by latent in ascending order for the codes.
template <class T>
ops::Pursuit Pursuer<T>::result(const at::Tensor& names, std::int64_t latents) {
  const std::int64_t k = options_.k;
  const auto ints = x_.options().dtype(at::kInt);
  ops::Pursuit out;
  out.offsets = at::zeros({rows_ + 1}, ints);
  out.factors = factors_;
  const at::Tensor code_offsets = at::zeros({rows_ + 1}, ints);
  const std::int32_t* count = count_.const_data_ptr<std::int32_t>();
  const std::int32_t* chosen = latents_.const_data_ptr<std::int32_t>();
  const T* amount = values_.const_data_ptr<T>();
  const std::int64_t* name = names.defined() ? names.const_data_ptr<std::int64_t>() : nullptr;
  std::vector<std::vector<std::int32_t>> order(static_cast<std::size_t>(rows_));
  auto* offset = out.offsets.mutable_data_ptr<std::int32_t>();
  auto* code_offset = code_offsets.mutable_data_ptr<std::int32_t>();
  for (std::int64_t r = 0; r < rows_; ++r) {
    auto& distinct = order[static_cast<std::size_t>(r)];
    distinct.assign(chosen + r * k, chosen + r * k + count[r]);
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    offset[r + 1] = offset[r] + count[r];
    code_offset[r + 1] = code_offset[r] + static_cast<std::int32_t>(distinct.size());
  }
  out.latents = at::empty({offset[rows_]}, ints);
  out.entries = at::empty({offset[rows_]}, ints);
  out.values = at::empty({offset[rows_]}, x_.options());
  const at::Tensor values = at::zeros({code_offset[rows_]}, x_.options());
  const at::Tensor indices = at::empty({code_offset[rows_]}, ints);
  auto* latent = out.latents.mutable_data_ptr<std::int32_t>();
  auto* entry = out.entries.mutable_data_ptr<std::int32_t>();
  T* value = out.values.mutable_data_ptr<T>();
  T* sum = values.mutable_data_ptr<T>();
  auto* index = indices.mutable_data_ptr<std::int32_t>();
  for (std::int64_t r = 0; r < rows_; ++r) {
    const auto& distinct = order[static_cast<std::size_t>(r)];
    for (std::size_t i = 0; i < distinct.size(); ++i) {
      index[code_offset[r] + static_cast<std::int32_t>(i)] =
          name != nullptr ? static_cast<std::int32_t>(name[distinct[i]]) : distinct[i];
    }
    for (std::int32_t t = 0; t < count[r]; ++t) {
      const std::int32_t at = offset[r] + t;
      const auto place = std::lower_bound(distinct.begin(), distinct.end(), chosen[r * k + t]);
      entry[at] = code_offset[r] + static_cast<std::int32_t>(place - distinct.begin());
      latent[at] = index[entry[at]];
      value[at] = amount[r * k + t];
      sum[entry[at]] += value[at];
    }
  }
  out.codes = Codes::csr(values, indices, code_offsets, at::zeros({}, ints), latents);
  return out;
}

// Costs in units of one product of all rows with W, which runs at the machine's flops; a choice by the
// Gram matrix reads F numbers of a row of it, at the memory's speed: as long as the product of 24
// dimensions takes. Half the Gram matrix is formed, F / 2 rows of products.
bool gram_pays(const ops::PursuitOptions& options, std::int64_t rows, std::int64_t F,
               std::int64_t d, std::int64_t element) {
  using Products = ops::PursuitOptions::Products;
  if (options.products != Products::cheapest) return options.products == Products::gram;
  if (static_cast<double>(F) * static_cast<double>(F) * static_cast<double>(element) >
      static_cast<double>(options.gram_bytes)) {
    return false;
  }
  const auto k = static_cast<double>(options.k);
  const double reads = options.orthogonal ? k * (k + 1) / 2 : k;
  const double forming = static_cast<double>(F) / (2 * static_cast<double>(rows));
  return forming + 1 + 24 * reads / static_cast<double>(d) < k;
}

}  // namespace
}  // namespace saffron::ops_cpu

namespace saffron::inline sdk_v1::ops {

Pursuit pursue(const at::Tensor& x, const at::Tensor& W, const PursuitOptions& options,
               const at::Tensor& allowed, at::Tensor* gram_room) {
  ops_cpu::check_encode("pursue", x, W, {}, {});
  if (options.k < 1) throw Error(cat("pursue: k = ", options.k, " is not positive"));
  if (allowed.defined() && (allowed.dim() != 1 || allowed.size(0) != W.size(0))) {
    throw Error(cat("pursue: allowed ", allowed.sizes(), " is not [", W.size(0), "]"));
  }
  if (x.is_cuda() || W.is_cuda()) {
    throw Error(ErrorKind::plugin, "matching pursuit has no CUDA kernels");
  }
  const c10::AutoGradMode no_grad(false);
  at::Tensor names, weights = W.detach().contiguous();
  if (allowed.defined()) {
    names = allowed.nonzero().flatten();
    weights = weights.index_select(0, names);
  }
  const at::Tensor rows = x.detach().contiguous();
  return ops_cpu::by_type("pursue", rows, [&]<class T>(T) {
    ops_cpu::Pursuer<T> pursuer(rows, weights, options);
    const std::int64_t F = weights.size(0), d = weights.size(1);
    if (F > 0 && rows.size(0) > 0) {
      if (ops_cpu::gram_pays(options, rows.size(0), F, d, sizeof(T))) {
        at::Tensor own, &room = gram_room != nullptr ? *gram_room : own;
        if (!room.defined() || room.numel() < F * F || room.scalar_type() != rows.scalar_type()) {
          room = at::empty({F * F}, rows.options());
        }
        at::Tensor gram = room.slice(0, 0, F * F).view({F, F});
        ops_cpu::form_gram(weights, gram);
        pursuer.by_gram(gram);
      } else {
        pursuer.directly();
      }
    }
    return pursuer.result(names, W.size(0));
  });
}

}  // namespace saffron::inline sdk_v1::ops
