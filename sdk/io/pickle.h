#pragma once

#include "parse.h"

namespace saffron::io_detail {

// A tensor as a torch.save pickle describes it. Checked: dtype is known, sizes and strides are not
// negative, and every element lies within the storage's `elements`.
struct PickledTensor {
  std::string name;
  std::string dtype;    // "float32"
  std::string storage;  // the key of its record
  std::int64_t elements = 0, offset = 0;
  std::vector<std::int64_t> sizes, strides;
};

[[nodiscard]] std::uint64_t torch_item_size(std::string_view dtype);

// The tensors of a state dict's pickle (protocol 2 or 3), in its order.
//
// A pickle is a program for a stack machine that may call anything. This one calls nothing: it knows
// the opcodes that the pickle of a dict of tensors consists of, and of globals collections.OrderedDict,
// torch._utils._rebuild_tensor_v2 and _rebuild_parameter, torch.Size and the storage types. Another
// opcode or global is an Error (data). Time and memory are in proportion to the pickle's length.
[[nodiscard]] std::vector<PickledTensor> parse_state_dict(std::span<const std::byte> pickle,
                                                          std::string_view source);

}  // namespace saffron::io_detail
