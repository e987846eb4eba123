#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace saffron::io_detail {

// What stands before the elements of a contiguous tensor in an npy file, version 1.0.
[[nodiscard]] std::string npy_header(const at::Tensor& contiguous);

}  // namespace saffron::io_detail
