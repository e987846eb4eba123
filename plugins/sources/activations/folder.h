#pragma once

#include "shard.h"

#include <saffron/io.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// The files of activations that `path` names, opened (their headers read) and checked against each
// other. A folder stands for its .safetensors or .npy files in the order of their names, or for
// those that its index.json lists; else `path` is a file or a pattern.
//
//   x.safetensors              a shard with all its tensors
//   NAME-000.npy, NAME_000.npy  part 000 (three digits or more) of stream NAME
//   NAME.npy                   all of stream NAME, in one part
//
// `npy_stream`: all .npy files are parts of this one stream, whatever their names.
// Errors name file and tensor. (io, data)
[[nodiscard]] std::vector<Shard> open_shards(const std::string& path,
                                             const std::vector<std::string>& streams,
                                             const std::string& npy_stream, Access access);

}  // namespace saffron::plugins
