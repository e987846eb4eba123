#pragma once

#include "parse.h"

namespace saffron::io_detail {

struct ZipEntry {
  std::string name;
  std::uint64_t index = 0, bytes = 0;  // uncompressed
};

// The entries of a zip archive in memory (libzip). Throws Error (data).
[[nodiscard]] std::vector<ZipEntry> zip_entries(std::span<const std::byte> file,
                                                std::string_view source);
// One entry, uncompressed, its checksum verified; the view owns its bytes, aligned for any element.
[[nodiscard]] ByteView zip_read(std::span<const std::byte> file, std::string_view source,
                                const ZipEntry& entry);

}  // namespace saffron::io_detail
