#pragma once

#include <saffron/error.h>

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <string_view>

// Checks of the tables of an MDP, each of which fails with the tables' source, a place and a value.

namespace saffron::inline sdk_v1::worlds {

[[nodiscard]] std::string number(double value);
// "has the shape [2, 3]", or "is a single number".
[[nodiscard]] std::string has_shape(at::IntArrayRef shape);

class TableChecks {
 public:
  explicit TableChecks(std::string source) : source_(std::move(source)) {}

  [[noreturn]] void fail(std::string message, std::string_view help = {}) const;
  void shaped(const at::Tensor& values, const std::string& name, at::IntArrayRef shape,
              const char* letters) const;
  void finite(const at::Tensor& values, const std::string& name) const;

  // Float64 copies, contiguous, of numbers that are probabilities, and what rounding to the given dtype
  // may have done to their sums.
  struct Probabilities {
    at::Tensor values;
    double tolerance = 0;
  };
  [[nodiscard]] Probabilities probabilities(const at::Tensor& given, const std::string& name) const;

  // One row of them, [begin, end) of `p`, divided by its sum. `row_name` is asked for only to fail;
  // `zero_help`, where not null, what to do about a row that is all zero.
  void divide_by_sum(double* p, std::int64_t begin, std::int64_t end, double tolerance,
                     const std::function<std::string()>& row_name, const char* zero_help) const;
  // A table whose rows are distributions.
  [[nodiscard]] at::Tensor distribution(const at::Tensor& given, const std::string& name) const;
  // Whole numbers as int64.
  [[nodiscard]] at::Tensor indices(const at::Tensor& given, const std::string& name) const;

 private:
  std::string source_;
};

// What is said of a state without successors that is not declared terminal.
inline constexpr const char* kUndeclared =
    "a state without successors must be declared: \"terminal\": [false, true, ...]";

}  // namespace saffron::inline sdk_v1::worlds
