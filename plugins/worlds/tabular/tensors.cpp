#include "tables.h"

#include <saffron/archives.h>
#include <saffron/error.h>

namespace saffron::plugins {
namespace {

constexpr std::string_view kReward = "rewards/";

}  // namespace

MdpTables read_tensor_tables(const std::filesystem::path& path) {
  const std::unique_ptr<TensorReader> file = open_tensors(path);
  MdpTables out;
  for (const TensorInfo& info : file->tensors()) {
    if (info.name.starts_with(kReward)) {
      out.rewards.emplace_back(info.name.substr(kReward.size()), file->tensor(info.name));
      continue;
    }
    at::Tensor* table = out.find(info.name);
    if (table == nullptr) {
      const std::string near =
          nearest(info.name, MdpTables::names().data(), MdpTables::names().size());
      throw Error(ErrorKind::data,
                  cat("the tensor '", info.name, "' is no part of a tabular world"))
          .within(path.string())
          .with_help(near.empty() ? "a reward's tensor is named rewards/<name>"
                                  : "did you mean '" + near + "'?");
    }
    *table = file->tensor(info.name);
  }
  return out;
}

}  // namespace saffron::plugins
