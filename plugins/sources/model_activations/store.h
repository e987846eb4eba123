#pragma once

#include "contexts.h"

#include <saffron/source.h>
#include <saffron/value.h>

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace saffron::plugins {

// Raw rows of activations in files, one set of contexts a file (docs/activation-files.md):
//
//   <stream>   [R, width]       in the store's dtype
//   origin     int64 [R, 2]     dataset row and position
//   tokens     int64 [n, T]     of the contexts
//   metadata   format, and the SHA-256 of all of these
//
// A file is used only when it holds the contexts that are asked for and its digest is right; else
// it is made anew. Nothing that goes wrong here stops a run: a file that cannot be used, or a disk
// that is full, is a warning.
class ActivationStore {
 public:
  // `about` becomes the folder's index.json, for people and for the `activations` source.
  ActivationStore(std::filesystem::path folder, std::vector<StreamInfo> streams,
                  at::ScalarType dtype, Value about);

  // The streams in the store's dtype, copied out of the file; nothing without a usable file.
  [[nodiscard]] std::optional<std::vector<at::Tensor>> read(const std::string& name,
                                                            const Contexts& contexts) const;
  void write(const std::string& name, const Contexts& contexts,
             const std::vector<at::Tensor>& streams);

 private:
  [[nodiscard]] std::vector<at::Tensor> load(const std::filesystem::path& file,
                                             const Contexts& contexts) const;
  void save(const std::filesystem::path& file, const Contexts& contexts,
            const std::vector<at::Tensor>& streams) const;

  std::filesystem::path folder_;
  std::vector<StreamInfo> streams_;
  at::ScalarType dtype_;
  Value about_;
  bool writes_ = true;  // until a write has failed
};

}  // namespace saffron::plugins
