#pragma once

#include "ops/cpu/encode_tiles.h"

#include <saffron/ops.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace saffron::ops_cpu {

// encode_topk by screened tiles (screened_tiles.h): a row keeps what may be among its k largest by
// rounded products, and chooses among these by exact ones. Values and latents [B, k]; the rows where
// too many entries are too close to each other to leave out are returned, and not written. Nothing
// where screening says nothing.
std::optional<std::vector<std::int64_t>> screened_topk(const EncodeArguments& arguments,
                                                       std::int64_t k, ops::Keep keep,
                                                       float* values, std::int32_t* latents);

}  // namespace saffron::ops_cpu
