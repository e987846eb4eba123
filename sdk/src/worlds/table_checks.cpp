#include "src/worlds/table_checks.h"

#include <saffron/archives.h>

#include <ATen/TensorOperators.h>

#include <charconv>
#include <cmath>
#include <cstdint>

namespace saffron::inline sdk_v1::worlds {

namespace {

constexpr double kRoundedText = 1e-3;  // how far sums of numbers with a few decimals are from 1

}  // namespace

std::string number(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

std::string has_shape(at::IntArrayRef shape) {
  return shape.empty() ? "is a single number" : cat("has the shape ", shape);
}

void TableChecks::fail(std::string message, std::string_view help) const {
  throw Error(ErrorKind::data, std::move(message)).within(source_).with_help(help);
}

void TableChecks::shaped(const at::Tensor& values, const std::string& name, at::IntArrayRef shape,
                         const char* letters) const {
  if (values.sizes() == shape) return;
  fail(cat(name, " ", has_shape(values.sizes()), ", not ", letters, " = ", shape));
}

void TableChecks::finite(const at::Tensor& values, const std::string& name) const {
  const double* p = values.const_data_ptr<double>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    if (std::isfinite(p[i])) continue;
    fail(cat(element_name(name, values, i), " = ", number(p[i]), " is not a finite number"));
  }
}

TableChecks::Probabilities TableChecks::probabilities(const at::Tensor& given,
                                                      const std::string& name) const {
  if (given.is_floating_point() && given.element_size() < 4) {
    fail(cat(name, " has numbers of ", 8 * given.element_size(),
             " bits, too coarse for probabilities"),
         "store it as float64 or float32; rewards may have any dtype");
  }
  Probabilities out{given.to(at::kDouble).clone(at::MemoryFormat::Contiguous),
                    given.scalar_type() == at::kFloat ? 1e-6 : 1e-9};
  finite(out.values, name);
  const double* p = out.values.const_data_ptr<double>();
  for (std::int64_t i = 0; i < out.values.numel(); ++i) {
    if (p[i] >= 0) continue;
    fail(cat(element_name(name, out.values, i), " = ", number(p[i]), " is not a probability"));
  }
  return out;
}

void TableChecks::divide_by_sum(double* p, std::int64_t begin, std::int64_t end, double tolerance,
                                const std::function<std::string()>& row_name,
                                const char* zero_help) const {
  double sum = 0;
  for (std::int64_t i = begin; i < end; ++i) sum += p[i];
  if (!(std::abs(sum - 1) <= tolerance)) {
    const bool rounded = std::abs(sum - 1) < kRoundedText;
    fail(cat(row_name(), " sums to ", number(sum), ", not to 1 within ", number(tolerance)),
         sum == 0 && zero_help != nullptr ? zero_help
         : rounded                        ? "write the probabilities with all their digits"
                                          : "");
  }
  for (std::int64_t i = begin; i < end; ++i) p[i] /= sum;
}

at::Tensor TableChecks::distribution(const at::Tensor& given, const std::string& name) const {
  const Probabilities table = probabilities(given, name);
  const std::int64_t width = table.values.size(-1), rows = table.values.numel() / width;
  auto* p = table.values.mutable_data_ptr<double>();
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto row_name = [&] {
      const std::string first = element_name(name, table.values, row * width);
      return first.substr(0, first.rfind('['));
    };
    divide_by_sum(p, row * width, (row + 1) * width, table.tolerance, row_name, nullptr);
  }
  return table.values;
}

at::Tensor TableChecks::indices(const at::Tensor& given, const std::string& name) const {
  if (given.is_floating_point()) {
    const at::Tensor values = given.to(at::kDouble).contiguous();
    const double* p = values.const_data_ptr<double>();
    for (std::int64_t i = 0; i < values.numel(); ++i) {
      if (std::floor(p[i]) == p[i] && std::abs(p[i]) < 0x1p53) continue;
      fail(cat(element_name(name, values, i), " = ", number(p[i]), " is not a whole number"));
    }
  }
  return given.to(at::kLong).clone(at::MemoryFormat::Contiguous);
}

}  // namespace saffron::inline sdk_v1::worlds
