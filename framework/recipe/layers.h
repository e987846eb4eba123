#pragma once

#include "framework/recipe/problems.h"

#include <saffron/value.h>

#include <string>
#include <vector>

namespace saffron::host {

// A recipe's layers merged into one table, before anything in it is given a meaning:
// the file that `extends` names (and so on), then the file, then each `--set`, in order.
//
// Tables merge by key; lists replace whole. A component whose `use` changes is replaced whole: its
// old parameters go, the kind's own keys (`reads`, `coef`, ...) stay. An empty `vary` of a train
// node takes away the grids below it. Every value and key keeps the position that it came from.
struct Document {
  std::string path;                // as given
  std::vector<std::string> files;  // `path`, then what it extends
  Value root = Value::table();     // without `extends`
  SourceTexts sources;
  Problems problems;  // unreadable files, syntax errors, bad `--set` arguments, a node set to 3
  // Parameters that went when another `use` replaced their component: "sae.student.width".
  std::vector<std::string> dropped;
  bool complete = true;  // false when a file could not be read or parsed
};

// Never throws for what a user can get wrong: that is in `problems`. Each of `sets` is PATH=VALUE:
//   sae.student.k=64    train.all.vary."student.k"=[8,16]    sae.student.use=org.example.x::mine
// VALUE is parsed as TOML; what is not TOML and does not try to be is a string.
[[nodiscard]] Document read_document(const std::string& path, const std::vector<std::string>& sets);

}  // namespace saffron::host
