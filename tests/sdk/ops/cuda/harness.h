#pragma once

#include "kernels.h"

#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sstream>
#include <string>
#include <vector>

// What the checks share: device arrays with guards, random data, one line a check.

namespace saffron::ops_cuda::test {

inline void require(int error, const char* what) {
  if (error == 0) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(static_cast<cudaError_t>(error)));
  std::exit(2);
}

// An array on the device between two guards, whose bytes get() finds unchanged or ends the program.
template <class T>
class Device {
 public:
  explicit Device(const std::vector<T>& values) : size_(values.size()) {
    require(cudaMalloc(&memory_, bytes() + 2 * kGuard), "cudaMalloc");
    require(cudaMemset(memory_, kPattern, bytes() + 2 * kGuard), "cudaMemset");
    set(values);
  }
  explicit Device(std::size_t size) : size_(size) {
    require(cudaMalloc(&memory_, bytes() + 2 * kGuard), "cudaMalloc");
    require(cudaMemset(memory_, kPattern, bytes() + 2 * kGuard), "cudaMemset");
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { (void)cudaFree(memory_); }

  [[nodiscard]] T* data() const { return reinterpret_cast<T*>(begin()); }
  [[nodiscard]] std::size_t size() const { return size_; }
  void set(const std::vector<T>& values) {
    require(cudaMemcpy(begin(), values.data(), bytes(), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  [[nodiscard]] std::vector<T> get() const {
    std::vector<unsigned char> all(bytes() + 2 * kGuard);
    require(cudaDeviceSynchronize(), "a kernel");
    require(cudaMemcpy(all.data(), memory_, all.size(), cudaMemcpyDeviceToHost), "cudaMemcpy");
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (all[i] != kPattern || all[all.size() - 1 - i] != kPattern) {
        std::fprintf(stderr, "a kernel wrote outside an array of %zu bytes\n", bytes());
        std::exit(2);
      }
    }
    std::vector<T> values(size_);
    if (size_ > 0) std::memcpy(values.data(), all.data() + kGuard, bytes());
    return values;
  }

 private:
  static constexpr std::size_t kGuard = 256;  // keeps cudaMalloc's alignment
  static constexpr unsigned char kPattern = 0xa5;
  [[nodiscard]] std::size_t bytes() const { return size_ * sizeof(T); }
  [[nodiscard]] unsigned char* begin() const {
    return static_cast<unsigned char*>(memory_) + kGuard;
  }
  std::size_t size_;
  void* memory_ = nullptr;
};

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(bound));
  }
  // In (-1, 1).
  double number() { return static_cast<double>(engine_() >> 11) * 0x1p-52 - 1; }
  template <class T>
  std::vector<T> numbers(std::int64_t count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    for (T& value : values) value = static_cast<T>(number());
    return values;
  }
  std::mt19937_64& engine() { return engine_; }

 private:
  std::mt19937_64 engine_;
};

template <class T>
constexpr Scalar kScalar = sizeof(T) == 8 ? Scalar::float64 : Scalar::float32;
template <class T>
constexpr const char* kName = sizeof(T) == 8 ? "float64" : "float32";
template <class T>
constexpr double kEps = sizeof(T) == 8 ? 0x1p-52 : 0x1p-23;

template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// Entries of rows: topk (k each) or csr, on the host and on the device.
struct Sparse {
  std::int64_t rows = 0, F = 0, k = 0;
  bool csr = false;
  std::vector<std::int32_t> latents, offsets;  // offsets also of a topk

  [[nodiscard]] std::int64_t capacity() const { return static_cast<std::int64_t>(latents.size()); }
  [[nodiscard]] std::int64_t used() const { return offsets.back(); }
};
Sparse make_topk(Random& random, std::int64_t rows, std::int64_t F, std::int64_t k);
// Rows of 0 to `most` entries, some empty, with `padding` places past the last entry that hold
// rubbish.
Sparse make_csr(Random& random, std::int64_t rows, std::int64_t F, std::int64_t most,
                std::int64_t padding);

class DeviceSupport {
 public:
  explicit DeviceSupport(const Sparse& sparse)
      : latents_(sparse.latents), offsets_(sparse.offsets), sparse_(sparse) {}
  [[nodiscard]] Support get() const {
    return {latents_.data(), sparse_.csr ? offsets_.data() : nullptr, sparse_.rows, sparse_.k,
            sparse_.capacity()};
  }

 private:
  Device<std::int32_t> latents_, offsets_;
  const Sparse& sparse_;
};

class Checks {
 public:
  Checks();
  // Prints "ok" or "FAILED", the check's name and, where it failed, `detail`.
  void check(bool holds, const std::string& name, const std::string& detail = {});
  // |got - want| <= tolerance for all of `want`, NaN with NaN; `got` may be longer.
  template <class T>
  void near(const std::vector<T>& got, const std::vector<double>& want, double tolerance,
            const std::string& name) {
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double a = static_cast<double>(got[i]);
      const bool same = std::isnan(want[i]) ? std::isnan(a) : std::abs(a - want[i]) <= tolerance;
      if (!same) {
        check(false, name, text("element ", i, " is ", a, ", not ", want[i], " +- ", tolerance));
        return;
      }
    }
    check(got.size() >= want.size(), name, "too few elements");
  }
  template <class T>
  void equal(const std::vector<T>& got, const std::vector<T>& want, const std::string& name) {
    const bool same =
        got.size() == want.size() &&
        (got.empty() || std::memcmp(got.data(), want.data(), got.size() * sizeof(T)) == 0);
    check(same, name, "not bitwise equal");
  }
  [[nodiscard]] const Kernels& kernels() const { return kernels_; }
  [[nodiscard]] const Place& place() const { return place_; }
  [[nodiscard]] cudaStream_t stream() const { return static_cast<cudaStream_t>(place_.stream); }
  [[nodiscard]] int failed() const { return failed_; }
  [[nodiscard]] int count() const { return count_; }

 private:
  const Kernels& kernels_;
  Place place_{};
  int failed_ = 0, count_ = 0;
};

void check_select(Checks& checks);
void check_csr(Checks& checks);
void check_products(Checks& checks);
void check_gradients(Checks& checks);
void check_step(Checks& checks);

}  // namespace saffron::ops_cuda::test
