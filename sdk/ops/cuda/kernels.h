#pragma once

#include <cstddef>
#include <cstdint>

// What libsaffron_ops_cuda.so offers: the sparse kernels of saffron/ops.h on a GPU, in raw
// pointers. No CUDA and no LibTorch header is needed to call it. The SDK loads it when a CUDA
// tensor arrives.
//
// - Every pointer to an array is device memory of `Place::device`; matrices are row-major without
//   gaps, `scalar` says what `void*` points to. Structs and the list of terms are host memory, read
//   before the call returns.
// - A call queues its work on `Place::stream` and returns. It allocates nothing, never waits and
//   keeps nothing, so a CUDA graph captures it; call each function once before the first capture,
//   because CUDA loads a kernel when it is first used.
// - Results do not depend on timing: fixed chunks, fixed order of sums, no floating-point atomics.
//   Two runs on one kind of GPU are bitwise equal.
// - The result is 0, or a cudaError_t that Kernels::message explains. cudaErrorInvalidValue: a size
//   is negative or above its limit, and nothing was queued. Index ranges are the caller's duty. An
//   empty result (no row, no column) is fine.

namespace saffron::ops_cuda {

inline constexpr std::uint32_t kKernelsVersion = 2;
inline constexpr std::int64_t kMaxTopk = 4096;  // k of select_topk; its list lies in shared memory
inline constexpr std::int64_t kMaxTerms = 8;    // factored terms of one gradient
inline constexpr std::int64_t kMaxIndex = 2147483647;  // rows, latents and entries are int32

enum class Scalar : std::int32_t { float32, float64 };
enum class Hold : std::int32_t { none, unit_rows, non_negative };        // saffron::Constraint
enum class Keep : std::int32_t { signed_values, rectified, magnitude };  // saffron::ops::Keep

struct Place {
  std::int32_t device;  // made the calling thread's current device
  void* stream;         // a cudaStream_t of it; null is the default stream
};

// Where the entries of a code lie: row r owns [offsets[r], offsets[r + 1]), or [r k, (r + 1) k)
// where offsets is null. latents names each entry's latent.
struct Support {
  const std::int32_t* latents;  // [capacity]
  const std::int32_t* offsets;  // [rows + 1], or null
  std::int64_t rows, k, capacity;
};

// One step of  values, indices = the k largest of each row of  a = scale (x W^T + b).  The caller
// forms the products of some consecutive latents at a time, by a matrix product in full precision,
// and calls once a tile, by ascending latent, first_latent = 0 first. Between calls `values` and
// `indices` hold what the tiles so far have shown; after the tile with `last` they are the result:
// descending, ties go to the lower latent, values below 0 are 0 if `rectified`. Under `magnitude`
// they are the k largest |a|, with their signs.
//
// status [2]: the caller sets both numbers to INT64_MAX before the first tile.
//   status[0]  row * 2^32 + latent of the first NaN in a (smallest row, then smallest latent;
//              latents that are not allowed count). A NaN ranks as +infinity, so that it shows in
//              `values`.
//   status[1]  how many latents may be chosen, if that is fewer than k; the places left are
//              value 0, latent 0.
struct SelectTile {
  Scalar scalar;
  const void* products;         // [rows, width]
  const void* bias;             // [width] of this tile's latents, or null
  const void* scale;            // as bias
  const std::uint8_t* allowed;  // [width] of this tile's latents, 0 forbids; or null
  std::int64_t rows, width;
  std::int64_t first_row, first_latent;  // of products[0, 0]; first_row only for status
  std::int64_t k;                        // in [1, kMaxTopk]
  Keep keep;
  bool last;
  void* values;           // [rows, k]
  std::int32_t* indices;  // [rows, k]
  std::int64_t* status;
};

// Some consecutive rows' part of  csr = every a[r, i] > bounds[i].  The caller forms the products
// of all latents with these rows and calls count_above, then write_above, each with the same struct;
// blocks of rows by ascending row. Offsets stop at `capacity`: what does not fit is left out.
//
// status [3]: the caller sets it to INT64_MAX, INT64_MAX, 0 before the first block.
//   status[0]  the first NaN in a, as SelectTile's. A NaN is above every bound, so that it shows in
//              `values`.
//   status[1]  the first latent whose bound is NaN; every a is above it.
//   status[2]  how many entries the blocks so far want, whatever the capacity.
struct AboveRows {
  Scalar scalar;
  const void* products;  // [rows, F]
  const void* bias;      // [F], or null
  const void* scale;     // [F], or null
  const void* bounds;    // [F], or null: 0
  std::int64_t rows, F;
  std::int64_t first_row;  // only for status
  std::int64_t capacity;   // of `values` and `indices`, all blocks together
  std::int32_t* offsets;   // [rows + 1] of these rows; the first is the last of the block before
  void* values;            // [capacity]; count_above does not look at these two
  std::int32_t* indices;
  std::int32_t* overflow;  // 1 is written where the capacity is too small; or null
  std::int64_t* status;
};

// The `wanted` largest entries of a csr, all if there are fewer, in their order and as a csr of the
// same rows. Ties go to the earlier entry; NaN ranks as +infinity. Nothing of the result may lie in
// the arrays of the csr.
struct Largest {
  Scalar scalar;
  const void* values;           // [capacity]
  const std::int32_t* indices;  // [capacity]
  const std::int32_t* offsets;  // [rows + 1]
  std::int64_t rows, capacity, wanted;
  void* out_values;           // [min(wanted, capacity)]
  std::int32_t* out_indices;  // [min(wanted, capacity)]
  std::int32_t* out_offsets;  // [rows + 1]
  double* smallest;           // value kept; 0 where none is
  void* workspace;            // largest_workspace() bytes, aligned to 256
  std::size_t workspace_size;
};

// out[r, :] = bias + sum over row r's entries e, ascending, of values[e] * W[latents[e], :]
// Entries of value 0 are skipped.
struct Decode {
  Scalar scalar;
  Support support;
  const void* values;  // [capacity]
  const void* W;       // [F, width]
  const void* bias;    // [width], or null
  std::int64_t width;
  void* out;  // [rows, width]
};

// out[e] = < g[row(e), :], W[latents[e], :] >  for every entry of every row; others are not
// written.
struct CodeGradient {
  Scalar scalar;
  Support support;
  const void* W;  // [F, width]
  const void* g;  // [rows, width]
  std::int64_t width;
  void* out;  // [capacity]
};

// Entries by latent, ascending inside a latent (a stable sort): latent i has the places
// [offsets[i], offsets[i + 1]) of `entries` and `rows`. What lies at or past offsets[F] is
// unspecified.
struct Group {
  Support support;
  std::int64_t F;
  std::int32_t* offsets;  // [F + 1]
  std::int32_t* entries;  // [capacity]
  std::int32_t* rows;     // [capacity], row of each of `entries`
  void* workspace;        // group_workspace() bytes, aligned to 256
  std::size_t workspace_size;
};

// One factored gradient, grouped:  dW[i, :] += sum over latent i's places p, ascending, of
// coefficients[entries[p]] * matrix[rows[p], :].  Coefficients that are 0 are skipped.
struct Term {
  const std::int32_t *offsets, *entries, *rows;  // as Group made them
  const void* coefficients;                      // [capacity]
  const void* matrix;                            // [B, width]
};

// A parameter's gradient in rows: row i covers the elements [i width, min((i + 1) width, size)).
//   g[i, :] = dense[i, :] + the terms, in their order
//   unit_rows:  g <- g - <g, w> w
struct RowGradient {
  Scalar scalar;
  Hold hold;
  std::int64_t rows, width, size;  // (rows - 1) width < size <= rows width; = with terms
  const void* dense;               // [size], or null
  const Term* terms;               // host memory
  std::int64_t term_count;         // at most kMaxTerms
};

// gradient <- gradient * scale
// m <- beta1 m + (1 - beta1) gradient;   v <- beta2 v + (1 - beta2) gradient^2
// w <- (1 - decay) w - step_size m / (sqrt(v) / root_correction + eps)
// then unit_rows: w <- w / |w| (not where |w| = 0);   non_negative: w <- max(w, 0)
struct Adam {
  double step_size, beta1, beta2, eps, root_correction, decay, scale;
};

// gradient <- gradient * scale;   m <- beta m + (1 - beta) gradient
// w <- (1 - decay) w - step_size sign(m);   then as Adam
struct Signum {
  double step_size, beta, decay, scale;
};

struct Kernels {
  std::uint32_t size;     // of this struct, as the library was built
  std::uint32_t version;  // kKernelsVersion

  const char* (*message)(int error);
  // Whether the kernels can run on this device; 0 is yes. May wait: it starts CUDA. The current
  // device stays.
  int (*probe)(std::int32_t device);
  // Sets *capturing: whether a CUDA graph is being captured from the stream.
  int (*capturing)(const Place& place, bool* capturing);

  int (*select_topk)(const Place& place, const SelectTile& tile);
  int (*count_above)(const Place& place, const AboveRows& rows);
  int (*write_above)(const Place& place, const AboveRows& rows);
  // Sets *bytes: the workspace for a csr of this capacity.
  int (*largest_workspace)(std::int64_t capacity, std::size_t* bytes);
  int (*keep_largest)(const Place& place, const Largest& work);
  int (*decode)(const Place& place, const Decode& work);
  int (*code_gradient)(const Place& place, const CodeGradient& work);
  // Sets *bytes: the workspace for this many entries over F latents.
  int (*group_workspace)(const Place& place, std::int64_t capacity, std::int64_t F,
                         std::size_t* bytes);
  int (*group)(const Place& place, const Group& work);
  // out [size] = g; hold is not looked at.
  int (*form_gradient)(const Place& place, const RowGradient& gradient, void* out);
  // *out = sum of squares of g after the projection; partial [rows] is workspace.
  int (*squared_norm)(const Place& place, const RowGradient& gradient, const void* w,
                      double* partial, double* out);
  // Projection, scale, Adam and constraint in one pass; w, m, v [size] change in place.
  int (*adam)(const Place& place, const RowGradient& gradient, const Adam& adam, void* w, void* m,
              void* v);
  int (*signum)(const Place& place, const RowGradient& gradient, const Signum& signum, void* w,
                void* m);
};

}  // namespace saffron::ops_cuda

// The library's only exported symbol.
extern "C" const saffron::ops_cuda::Kernels* saffron_cuda_kernels();
