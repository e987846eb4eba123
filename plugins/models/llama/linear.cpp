#include "linear.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include <optional>

namespace llama {
namespace {

// The operators behind PyTorch's frozen CPU graphs; registered where LibTorch is built with MKL.
// They have no C++ declaration, so they are called by name.
constexpr const char* kMultiply = "mkl::_mkl_linear";
constexpr const char* kPack = "mkl::_mkl_reorder_linear_weight";

// A hint: a packed matrix serves any number of rows.
constexpr std::int64_t kPackRows = 128;

}  // namespace

bool can_pack(at::ScalarType dtype, at::Device device) {
  return dtype == at::kFloat && device.is_cpu() &&
         c10::Dispatcher::singleton().findSchema({kMultiply, ""}).has_value() &&
         c10::Dispatcher::singleton().findSchema({kPack, ""}).has_value();
}

Linear pack(const Linear& plain) {
  static const auto reorder = c10::Dispatcher::singleton()
                                  .findSchemaOrThrow(kPack, "")
                                  .typed<at::Tensor(const at::Tensor&, std::int64_t)>();
  return {.weight = at::zeros({1, 1}, plain.weight.options()).expand_as(plain.weight),
          .bias = plain.bias,
          .packed = reorder.call(plain.weight, kPackRows)};
}

at::Tensor multiply(const at::Tensor& x, const Linear& linear) {
  if (!linear.packed.defined()) return at::linear(x, linear.weight, linear.bias);
  using Multiply = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                              const std::optional<at::Tensor>&, std::int64_t);
  static const auto product =
      c10::Dispatcher::singleton().findSchemaOrThrow(kMultiply, "").typed<Multiply>();
  const auto bias = linear.bias.defined() ? std::optional(linear.bias) : std::nullopt;
  return product.call(x, linear.packed, linear.weight, bias, x.size(0));
}

}  // namespace llama
