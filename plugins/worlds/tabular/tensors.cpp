#include "tables.h"

#include <saffron/error.h>
#include <saffron/io.h>

namespace saffron::plugins {
namespace {

constexpr std::string_view kReward = "rewards/";

// What rounding to the dtype may have done to a sum of probabilities.
double tolerance(const TensorInfo& info, const std::string& source) {
  if (info.dtype == "F16" || info.dtype == "BF16" || info.dtype.starts_with("F8")) {
    throw Error(ErrorKind::data, cat(info.name, " is ", info.dtype, ", too coarse for this world"))
        .within(source)
        .with_help("store it as float64 or float32; rewards may have any dtype");
  }
  return info.dtype == "F32" ? 1e-6 : 1e-9;
}

}  // namespace

Tables read_safetensors_tables(const std::filesystem::path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  Tables out;
  for (const TensorInfo& info : file.tensors()) {
    const at::Tensor values = file.tensor(info.name).to(at::kDouble).contiguous();
    if (info.name.starts_with(kReward)) {
      out.rewards.emplace_back(info.name.substr(kReward.size()), values);
      continue;
    }
    Tables::Table* table = out.find(info.name);
    if (table == nullptr) {
      const std::string near = nearest(info.name, Tables::names().data(), Tables::names().size());
      throw Error(ErrorKind::data,
                  cat("the tensor '", info.name, "' is no part of a tabular world"))
          .within(path.string())
          .with_help(near.empty() ? "a reward's tensor is named rewards/<name>"
                                  : "did you mean '" + near + "'?");
    }
    *table = {values, tolerance(info, path.string())};
  }
  return out;
}

}  // namespace saffron::plugins
