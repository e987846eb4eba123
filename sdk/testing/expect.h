#pragma once

#include <saffron/error.h>
#include <saffron/testing/checks.h>

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <utility>

// How a check says what it found: it returns when all is well, and leaves by one of these otherwise.

namespace saffron::testing {

struct Finding final : std::exception {
  explicit Finding(Verdict v) : verdict(std::move(v)) {}
  [[nodiscard]] const char* what() const noexcept override { return verdict.message.c_str(); }
  Verdict verdict;
};

[[noreturn]] inline void fail(std::string message) {
  throw Finding({Outcome::failed, std::move(message)});
}
[[noreturn]] inline void warn(std::string message) {
  throw Finding({Outcome::warning, std::move(message)});
}
[[noreturn]] inline void skip(std::string why) {
  throw Finding({Outcome::skipped, std::move(why)});
}

// Holds a component that a check makes without asking whether it can be destroyed, as long as the
// process lives.
void keep(std::shared_ptr<void> component);

// What was thrown, in words: LibTorch's without their backtraces.
[[nodiscard]] std::string words_of(const std::exception& error);

// How many threads this process has.
[[nodiscard]] std::ptrdiff_t threads();

// "float32 [3, 4]"
[[nodiscard]] std::string describe(const at::Tensor& tensor);
// The largest difference relative to max(1, |a|, |b|); infinite for other shapes or one-sided NaN.
[[nodiscard]] double distance(const at::Tensor& a, const at::Tensor& b);
// Equal bit for bit, NaN included.
[[nodiscard]] bool identical(const at::Tensor& a, const at::Tensor& b);
[[nodiscard]] bool all_finite(const at::Tensor& tensor);

}  // namespace saffron::testing
