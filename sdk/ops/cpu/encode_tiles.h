#pragma once

#include <saffron/error.h>

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

// The encoders' product, formed in tiles that a selection looks at while they are in the
// second-level cache. Rows are cut into fixed chunks, which run in parallel; the latents of a chunk
// come tile after tile, ascending.

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
  enum Use : std::uint8_t { products, values, places, state, keys, kUses };
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

// Rows [first, first + rows) of x.
struct RowChunk {
  std::int64_t index, first, rows;
};

// The products of a chunk's rows with the latents [first, first + width); bias and scale are those
// of these latents.
template <class T>
struct Tile {
  const T* products;
  std::int64_t first, width;
  const T *bias, *scale;
  [[nodiscard]] const T* row(std::int64_t r) const { return products + r * width; }
  [[nodiscard]] std::int32_t latent() const { return static_cast<std::int32_t>(first); }
};

template <class T>
class EncodeTiles {
 public:
  // A selection that keeps much state for each row asks for fewer rows at a time.
  EncodeTiles(const EncodeArguments& arguments, std::int64_t most_rows)
      : arguments_(arguments),
        chunk_rows_(std::min(most_rows, std::clamp(share(rows()), kFewestRows, kMostRows))) {}

  [[nodiscard]] std::int64_t rows() const { return arguments_.x.size(0); }
  [[nodiscard]] std::int64_t latents() const { return arguments_.W.size(0); }
  [[nodiscard]] std::int64_t chunk_rows() const { return chunk_rows_; }
  [[nodiscard]] std::int64_t chunks() const { return (rows() + chunk_rows_ - 1) / chunk_rows_; }
  [[nodiscard]] std::int64_t tiles() const { return (latents() + kTileWidth - 1) / kTileWidth; }
  [[nodiscard]] RowChunk chunk(std::int64_t index) const {
    const std::int64_t first = index * chunk_rows_;
    return {index, first, std::min(chunk_rows_, rows() - first)};
  }

  // Calls chunk(RowChunk) for every chunk, in parallel.
  template <class Chunk>
  void for_chunks(Chunk&& call) const {
    // At least two tasks: inside a parallel region the matrix product runs on one thread, however
    // many there are, and its rounding does not depend on them.
    at::parallel_for(0, std::max<std::int64_t>(chunks(), 2), 1,
                     [&](std::int64_t begin, std::int64_t end) {
                       const c10::AutoGradMode no_grad(false);
                       for (std::int64_t i = begin; i < std::min(end, chunks()); ++i) {
                         call(chunk(i));
                       }
                     });
  }

  // Calls tile(Tile<T>) for every tile of a chunk, by ascending latent.
  template <class OnTile>
  void for_tiles(const RowChunk& chunk, OnTile&& call) const {
    const auto& [x, W, b, scale] = arguments_;
    T* const buffer =
        Workspace::of_thread().room<T>(Workspace::products, chunk_rows_ * kTileWidth);
    const at::Tensor rows = x.slice(0, chunk.first, chunk.first + chunk.rows);
    for (std::int64_t first = 0; first < latents(); first += kTileWidth) {
      const std::int64_t width = std::min(kTileWidth, latents() - first);
      at::Tensor products = at::from_blob(buffer, {chunk.rows, width}, x.options());
      at::mm_out(products, rows, W.slice(0, first, first + width).t());
      call(Tile<T>{buffer, first, width, b.const_data_ptr<T>() + first,
                   scale.const_data_ptr<T>() + first});
    }
  }

  static constexpr std::int64_t kTileWidth = 1024;

 private:
  // Rows of a chunk: the product is fastest with many, small batches are to occupy several threads
  // too. Never by the number of threads.
  static constexpr std::int64_t kFewestRows = 32, kMostRows = 256, kShares = 4;
  static std::int64_t share(std::int64_t rows) {
    const std::int64_t part = (rows + kShares - 1) / kShares;
    return (part + kFewestRows - 1) / kFewestRows * kFewestRows;
  }

  const EncodeArguments& arguments_;
  std::int64_t chunk_rows_;
};

}  // namespace saffron::ops_cpu
