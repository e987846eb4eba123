#pragma once

#include "rope.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

// Row kernels of the forward pass: serial, for a tile of rows; the caller runs tiles in parallel.
// Matrices are contiguous [rows, width] of float32 or float64 on the CPU, all of one dtype.

namespace llama {

// out[r] = table[tokens[r]]
void copy_rows(const at::Tensor& table, const at::Tensor& tokens, at::Tensor& out);

// out[r] = weight x[r] / sqrt(mean(x[r]^2) + epsilon).  (Zhang and Sennrich 2019)
void rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon, at::Tensor& out);

// out = a + b; out may be a.
void add(const at::Tensor& a, const at::Tensor& b, at::Tensor& out);

// How attention sees a batch: query heads grouped under the KV head that they share.
struct HeadLayout {
  std::int64_t length = 0;      // T
  std::int64_t kv_heads = 0;    // G
  std::int64_t group = 0;       // R query heads a KV head
  std::int64_t head_width = 0;  // D
};

// Rows of the fused projection [Q | K | V] to rotated heads, where attention reads them in order:
// query [B G, R, T, D], key and value [B G, T, D]. Row r of qkv is row first + r of the batch.
void split_heads(const at::Tensor& qkv, std::int64_t first, const HeadLayout& layout,
                 const RopeTable& rope, at::Tensor& query, at::Tensor& key, at::Tensor& value);

// Attention's result [B G, R, T, D] back to rows [heads D]; row r of out is row first + r of the
// batch.
void join_heads(const at::Tensor& attended, std::int64_t first, const HeadLayout& layout,
                at::Tensor& out);

}  // namespace llama
