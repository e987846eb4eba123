#pragma once

#include <saffron/codes.h>

#include <vector>

namespace saffron::plugins {

// The k largest entries of each row, of several code spaces together. The spaces are topk codes >= 0 that hold
// k entries a row each (all that they have, where that is fewer); `compared` are the values that count, in
// the shape of the codes' own. What is left, without zeros, as csr. Of equals in a row any may stay.
[[nodiscard]] std::vector<Codes> largest_of_all(const std::vector<Codes>& spaces,
                                                const std::vector<at::Tensor>& compared,
                                                std::int64_t k);

}  // namespace saffron::plugins
