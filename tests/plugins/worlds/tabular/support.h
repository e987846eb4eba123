#pragma once

#include "plugins/worlds/tabular/tabular.h"

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/value.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace saffron::testing {

// A folder of this test's own, gone with it.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "saffron-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string file(const std::string& name) const { return (path_ / name).string(); }

  std::string write(const std::string& name, std::string_view text) const {
    write_file_atomic(path_ / name, text);
    return file(name);
  }

 private:
  std::filesystem::path path_;
};

// A valid world as a document to change: two states, two actions.
inline Value document() {
  return from_json(R"({
  "gamma": 0.8,
  "mu0": [0.75, 0.25],
  "tau": [[[0.75, 0.25], [0.2, 0.8]], [[0.5, 0.5], [0.9, 0.1]]],
  "rewards": {"good": [[[1, 0], [2, -1]], [[0, 3], [1, 1]]],
              "bad": [[[0, 1], [1, 1]], [[2, 0], [-1, 4]]]}})",
                   "document");
}

inline plugins::Tabular world_of(const Value& changed) {
  const Folder folder;
  return plugins::Tabular({.path = {folder.write("world.json", to_json(changed))}});
}

}  // namespace saffron::testing
