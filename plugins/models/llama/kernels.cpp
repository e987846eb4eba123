#include "kernels.h"

#include <cmath>
#include <cstring>

namespace llama {
namespace {

template <class F>
void by_dtype(const at::Tensor& tensor, F&& body) {
  if (tensor.scalar_type() == at::kDouble) {
    body(double{});
  } else {
    body(float{});
  }
}

template <class T>
void rms_norm_row(const T* x, const T* weight, T epsilon, std::int64_t width, T* out) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < width; ++i) sum += x[i] * x[i];
  const T scale = 1 / std::sqrt(sum / static_cast<T>(width) + epsilon);
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) out[i] = weight[i] * (x[i] * scale);
}

template <class T>
void rotate(const T* x, const T* cosine, const T* sine, std::int64_t half, T* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < half; ++i) {
    out[i] = x[i] * cosine[i] - x[i + half] * sine[i];
    out[i + half] = x[i + half] * cosine[i] + x[i] * sine[i];
  }
}

}  // namespace

void copy_rows(const at::Tensor& table, const at::Tensor& tokens, at::Tensor& out) {
  const std::int64_t* ids = tokens.const_data_ptr<std::int64_t>();
  by_dtype(table, [&]<class T>(T) {
    const std::int64_t width = table.size(1);
    const T* from = table.const_data_ptr<T>();
    T* to = out.mutable_data_ptr<T>();
    for (std::int64_t r = 0; r < out.size(0); ++r) {
      std::memcpy(to + r * width, from + ids[r] * width,
                  static_cast<std::size_t>(width) * sizeof(T));
    }
  });
}

void rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon, at::Tensor& out) {
  by_dtype(x, [&]<class T>(T) {
    const std::int64_t width = x.size(1);
    const T* from = x.const_data_ptr<T>();
    T* to = out.mutable_data_ptr<T>();
    for (std::int64_t r = 0; r < x.size(0); ++r) {
      rms_norm_row(from + r * width, weight.const_data_ptr<T>(), static_cast<T>(epsilon), width,
                   to + r * width);
    }
  });
}

void add(const at::Tensor& a, const at::Tensor& b, at::Tensor& out) {
  by_dtype(a, [&]<class T>(T) {
    const T* left = a.const_data_ptr<T>();
    const T* right = b.const_data_ptr<T>();
    T* to = out.mutable_data_ptr<T>();
    const std::int64_t count = a.numel();
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) to[i] = left[i] + right[i];
  });
}

void split_heads(const at::Tensor& qkv, std::int64_t first, const HeadLayout& layout,
                 const RopeTable& rope, at::Tensor& query, at::Tensor& key, at::Tensor& value) {
  by_dtype(qkv, [&]<class T>(T) {
    const auto [length, kv_heads, group, width] = layout;
    const std::int64_t half = width / 2;
    const T* row = qkv.const_data_ptr<T>();
    T* q = query.mutable_data_ptr<T>();
    T* k = key.mutable_data_ptr<T>();
    T* v = value.mutable_data_ptr<T>();
    for (std::int64_t r = 0; r < qkv.size(0); ++r, row += qkv.size(1)) {
      const std::int64_t b = (first + r) / length, t = (first + r) % length;
      const T* cosine = rope.cosine.const_data_ptr<T>() + t * half;
      const T* sine = rope.sine.const_data_ptr<T>() + t * half;
      for (std::int64_t g = 0; g < kv_heads; ++g) {
        const std::int64_t at = b * kv_heads + g;
        for (std::int64_t j = 0; j < group; ++j) {
          rotate(row + (g * group + j) * width, cosine, sine, half,
                 q + ((at * group + j) * length + t) * width);
        }
        rotate(row + (kv_heads * group + g) * width, cosine, sine, half,
               k + (at * length + t) * width);
        std::memcpy(v + (at * length + t) * width, row + (kv_heads * (group + 1) + g) * width,
                    static_cast<std::size_t>(width) * sizeof(T));
      }
    }
  });
}

void join_heads(const at::Tensor& attended, std::int64_t first, const HeadLayout& layout,
                at::Tensor& out) {
  by_dtype(out, [&]<class T>(T) {
    const std::int64_t heads = layout.kv_heads * layout.group, width = layout.head_width;
    const T* from = attended.const_data_ptr<T>();
    T* row = out.mutable_data_ptr<T>();
    for (std::int64_t r = 0; r < out.size(0); ++r, row += out.size(1)) {
      const std::int64_t b = (first + r) / layout.length, t = (first + r) % layout.length;
      for (std::int64_t head = 0; head < heads; ++head) {
        const std::int64_t at = (b * heads + head) * layout.length + t;
        std::memcpy(row + head * width, from + at * width,
                    static_cast<std::size_t>(width) * sizeof(T));
      }
    }
  });
}

}  // namespace llama
