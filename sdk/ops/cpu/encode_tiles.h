#pragma once

#include <saffron/error.h>

#include "ops/cpu/encode_scan.h"
#include "ops/cpu/row_sums.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

// The encoders' product, formed in tiles that a selection looks at while they are in cache. Tiles
// are fixed and run in parallel, in any order; a thread's own come by rows, then by latents.

namespace saffron::ops_cpu {

// What an encoder is given, checked, on the CPU and without gradients; b is 0 and scale 1 where
// they were undefined. The pre-activations are  a = scale * (x W^T + b).
struct EncodeArguments {
  at::Tensor x, W, b, scale;
};
// Shapes, types and devices that do not depend on where the tensors are: Error invalid.
void check_encode(const char* op, const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                  const at::Tensor& scale);
// Also that a vector over latents, may be undefined, is [F] of x's type.
void check_per_latent(const char* op, const char* name, const at::Tensor& vector,
                      const at::Tensor& x, const at::Tensor& W);
EncodeArguments encode_arguments(const at::Tensor& x, const at::Tensor& W, const at::Tensor& b,
                                 const at::Tensor& scale);

// run(T{}) for the type of x.
template <class Run>
auto by_type(const char* op, const at::Tensor& x, Run&& run) {
  if (x.scalar_type() == at::kDouble) return run(double{});
  if (x.scalar_type() == at::kFloat) return run(float{});
  throw Error(cat(op, ": x and W must be float32 or float64, not ", x.toString()));
}

// The first NaN, by row and then latent, of a batch that several threads look at.
class NanPlace {
 public:
  void note(std::int64_t row, std::int32_t latent);
  void check() const;  // Error numeric that names it

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::atomic<std::uint64_t> place_{kNone};
};

// Memory that a thread keeps from call to call, so that a step of training takes no page faults
// for it.
class Workspace {
 public:
  enum Use : std::uint8_t {
    products,
    exact_products,
    packed_rows,
    packed_latents,
    row_bounds,
    latent_bounds,
    slack,
    lowered,
    addresses,
    values,
    places,
    state,
    keys,
    scratch,
    kUses
  };
  static Workspace& of_thread();
  // Room for n of T; what was there is lost where it has to grow.
  template <class T>
  T* room(Use use, std::int64_t n) {
    return reinterpret_cast<T*>(bytes(use, static_cast<std::size_t>(n) * sizeof(T)));
  }

 private:
  static constexpr std::size_t kAlignment = 64;
  struct Aligned {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{kAlignment}); }
  };
  struct Kept {
    std::unique_ptr<std::byte[], Aligned> bytes;
    std::size_t size = 0;
  };
  std::byte* bytes(Use use, std::size_t size);
  std::array<Kept, kUses> kept_;
};

// The products of the rows [first_row, first_row + rows) with the latents [first, first + width);
// bias and scale are those of these latents.
template <class T>
struct Tile {
  std::int64_t index, first_row, rows, first, width, stride;
  const T *products, *bias, *scale;
  [[nodiscard]] const T* row(std::int64_t r) const { return products + r * stride; }
  [[nodiscard]] std::int32_t latent() const { return static_cast<std::int32_t>(first); }
  // The entries of row r above a bound, or one for each of these latents: encode_scan.h.
  Compressed above(std::int64_t r, T bound, T* values, std::int32_t* places) const {
    return compress(width, row(r), bias, scale, bound, false, latent(), values, places);
  }
  Compressed above(std::int64_t r, const T* each, T* values, std::int32_t* places) const {
    return compress(width, row(r), bias, scale, each, latent(), values, places);
  }
};

// How a tile is formed: by LibTorch's product, or as one inner product an entry, which a single entry by
// itself gets too, bit for bit.
enum class Products : std::uint8_t { matrix, single };

template <class T>
class EncodeTiles {
 public:
  using Number = T;
  // The product copies each tile's rows of W into an order of its own, a cost that many rows share.
  static constexpr std::int64_t kTileRows = 512;
  static constexpr std::int64_t kTileWidth = 1024;

  explicit EncodeTiles(EncodeArguments arguments, Products products = Products::matrix)
      : arguments_(std::move(arguments)), products_(products) {}

  [[nodiscard]] std::int64_t rows() const { return arguments_.x.size(0); }
  [[nodiscard]] std::int64_t latents() const { return arguments_.W.size(0); }
  [[nodiscard]] at::TensorOptions options() const { return arguments_.x.options(); }
  // Tiles of one row, ascending in index; tile i is of the rows from i / per_row() * kTileRows on.
  [[nodiscard]] std::int64_t per_row() const { return (latents() + kTileWidth - 1) / kTileWidth; }
  [[nodiscard]] std::int64_t count() const {
    return (rows() + kTileRows - 1) / kTileRows * per_row();
  }

  // Calls call(Tile<T>) for every tile, in parallel, and returns that it did.
  template <class Call>
  bool for_each(Call&& call) const {
    // At least two tasks: inside a parallel region the matrix product runs on one thread, however
    // many there are, and its rounding does not depend on them.
    at::parallel_for(0, std::max<std::int64_t>(count(), 2), 1,
                     [&](std::int64_t begin, std::int64_t end) {
                       const c10::AutoGradMode no_grad(false);
                       for (std::int64_t i = begin; i < std::min(end, count()); ++i) {
                         call(form(i));
                       }
                     });
    return true;
  }

 private:
  [[nodiscard]] Tile<T> form(std::int64_t index) const {
    const auto& [x, W, b, scale] = arguments_;
    const std::int64_t first_row = index / per_row() * kTileRows;
    const std::int64_t first = index % per_row() * kTileWidth;
    const std::int64_t rows = std::min(kTileRows, x.size(0) - first_row);
    const std::int64_t width = std::min(kTileWidth, W.size(0) - first);
    T* const buffer = Workspace::of_thread().room<T>(Workspace::products, kTileRows * kTileWidth);
    if (products_ == Products::single) {
      form_single(first_row, rows, first, width, buffer);
    } else {
      at::Tensor products = at::from_blob(buffer, {rows, width}, x.options());
      at::mm_out(products, x.slice(0, first_row, first_row + rows),
                 W.slice(0, first, first + width).t());
    }
    return {index,
            first_row,
            rows,
            first,
            width,
            width,
            buffer,
            b.const_data_ptr<T>() + first,
            scale.const_data_ptr<T>() + first};
  }

  void form_single(std::int64_t first_row, std::int64_t rows, std::int64_t first,
                   std::int64_t width, T* products) const {
    const auto& [x, W, b, scale] = arguments_;
    const auto** const W_rows = Workspace::of_thread().room<const T*>(Workspace::addresses, width);
    for (std::int64_t i = 0; i < width; ++i) {
      W_rows[i] = W.const_data_ptr<T>() + (first + i) * W.stride(0);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      inner_products(x.size(1), {width, nullptr, W_rows},
                     x.const_data_ptr<T>() + (first_row + r) * x.stride(0), products + r * width);
    }
  }

  EncodeArguments arguments_;
  Products products_;
};

}  // namespace saffron::ops_cpu
