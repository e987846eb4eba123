#include "tables.h"

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/value.h>

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {
namespace {

// "a list", "an int"
std::string type_of(const Value& value) {
  const std::string name = value.type_name();
  return (name == "int" ? "an " : "a ") + name;
}

[[noreturn]] void fail(const Value& value, std::string message) {
  throw Error(ErrorKind::data, std::move(message)).at(value.origin());
}

// Nested lists of numbers (or, for flags, of booleans too) as a tensor: its shape is that of the
// first element at each depth, and every other must agree.
class NestedLists {
 public:
  NestedLists(std::string name, bool flags) : name_(std::move(name)), flags_(flags) {}

  at::Tensor read(const Value& value) {
    for (const Value* at = &value; at->is_list();) {
      const Value::List& list = at->as_list();
      shape_.push_back(static_cast<std::int64_t>(list.size()));
      if (list.empty()) break;
      at = &list.front();
    }
    fill(value, 0, name_);
    at::Tensor out = at::empty(shape_, at::kDouble);
    std::copy(numbers_.begin(), numbers_.end(), out.mutable_data_ptr<double>());
    return out;
  }

 private:
  void fill(const Value& value, std::size_t depth, const std::string& place) {
    if (depth == shape_.size()) {
      numbers_.push_back(number(value, place));
      return;
    }
    if (!value.is_list()) fail(value, cat(place, " is ", type_of(value), ", not a list"));
    const Value::List& list = value.as_list();
    if (static_cast<std::int64_t>(list.size()) != shape_[depth]) {
      std::string first = name_;
      for (std::size_t i = 0; i < depth; ++i) first += "[0]";
      fail(value, cat(place, " has ", list.size(), list.size() == 1 ? " entry" : " entries",
                      ", and ", first, " has ", shape_[depth], ": one of them is wrong"));
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      fill(list[i], depth + 1, cat(place, "[", i, "]"));
    }
  }

  double number(const Value& value, const std::string& place) const {
    if (flags_ && value.is_bool()) return value.as_bool() ? 1 : 0;
    if (!value.is_number()) fail(value, cat(place, " is ", to_json(value), ", not a number"));
    return value.as_real();
  }

  std::string name_;
  bool flags_;
  std::vector<std::int64_t> shape_;
  std::vector<double> numbers_;  // before the tensor: a ragged file's shape can be of any size
};

}  // namespace

MdpTables read_json_tables(const std::filesystem::path& path) {
  const Value document = from_json(read_utf8(path), path.string());
  if (!document.is_table()) {
    fail(document, cat("a tabular world is a JSON object, and this is ", type_of(document)));
  }
  MdpTables out;
  for (const Value::Entry& entry : document.as_table()) {
    if (entry.key == "rewards") {
      if (!entry.value.is_table()) {
        fail(entry.value,
             cat("rewards is ", type_of(entry.value), ", not an object of {name: [S][A][S']}"));
      }
      for (const Value::Entry& reward : entry.value.as_table()) {
        const std::string place = "reward '" + reward.key + "'";
        out.rewards.emplace_back(reward.key, NestedLists(place, false).read(reward.value));
      }
      continue;
    }
    at::Tensor* table = out.find(entry.key);
    if (table == nullptr) {
      if (entry.value.is_string()) continue;  // a remark: no table is a text
      std::vector<std::string> names = MdpTables::names();
      names.emplace_back("rewards");
      const std::string near = nearest(entry.key, names.data(), names.size());
      Error error(ErrorKind::data, cat("'", entry.key, "' is no part of a tabular world"));
      throw error.at(entry.key_origin)
          .with_help(
              near.empty()
                  ? "there are gamma, mu0, tau, rewards, policy, D_S, D_A, terminal; or offsets, "
                    "successors and probabilities for tau"
                  : "did you mean '" + near + "'?");
    }
    *table = NestedLists(entry.key, entry.key == "terminal").read(entry.value);
  }
  return out;
}

}  // namespace saffron::plugins
