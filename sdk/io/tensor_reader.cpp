#include "parse.h"

#include <algorithm>
#include <numeric>

namespace saffron::inline sdk_v1 {

TensorReader::TensorReader(std::string path, std::vector<TensorInfo> tensors)
    : path_(std::move(path)), tensors_(std::move(tensors)), by_name_(tensors_.size()) {
  std::iota(by_name_.begin(), by_name_.end(), 0U);
  std::sort(by_name_.begin(), by_name_.end(), [this](std::uint32_t a, std::uint32_t b) {
    return tensors_[a].name < tensors_[b].name;
  });
}

TensorReader::~TensorReader() = default;

const TensorInfo* TensorReader::find(std::string_view name) const {
  const auto place = std::lower_bound(
      by_name_.begin(), by_name_.end(), name,
      [this](std::uint32_t i, std::string_view wanted) { return tensors_[i].name < wanted; });
  if (place == by_name_.end() || tensors_[*place].name != name) return nullptr;
  return &tensors_[*place];
}

const TensorInfo& TensorReader::info(std::string_view name) const {
  if (const TensorInfo* found = find(name)) return *found;
  std::vector<std::string> names;
  for (const TensorInfo& tensor : tensors_) names.push_back(tensor.name);
  Error error = io_detail::bad(
      path_, cat("there is no tensor ", io_detail::show(name), " among ", names.size()));
  const std::string near = nearest(name, names.data(), names.size());
  if (!near.empty()) error.with_help(cat("did you mean ", io_detail::show(near), "?"));
  throw error;
}

std::size_t TensorReader::index_of(std::string_view name) const {
  return static_cast<std::size_t>(&info(name) - tensors_.data());
}

}  // namespace saffron::inline sdk_v1
