#include "context_sample.h"

#include <saffron/error.h>

#include <ATen/ops/empty.h>

#include <algorithm>
#include <iterator>

namespace saffron::plugins {

void ContextSample::offer(std::int64_t row) {
  row_by_key_.emplace(random_.bits(static_cast<std::uint64_t>(row)), row);
  if (static_cast<std::int64_t>(row_by_key_.size()) > size_) {
    row_by_key_.erase(std::prev(row_by_key_.end()));
  }
}

void ContextSample::add(const at::Tensor& origin) {
  const auto place = origin.accessor<std::int64_t, 2>();
  for (std::int64_t r = 0; r < origin.size(0); ++r) {
    if (r == 0 || place[r][0] != place[r - 1][0]) offer(place[r][0]);
  }
}

void ContextSample::merge(const ContextSample& other) {
  for (const auto& [key, row] : other.row_by_key_) offer(row);
}

std::vector<std::int64_t> ContextSample::rows() const {
  std::vector<std::int64_t> out;
  for (const auto& [key, row] : row_by_key_) out.push_back(row);
  std::sort(out.begin(), out.end());
  return out;
}

void ContextSample::save(Tensors& out, const std::string& name) const {
  const std::vector<std::int64_t> held = rows();
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(held.size())}, at::kLong);
  std::copy(held.begin(), held.end(), tensor.mutable_data_ptr<std::int64_t>());
  out.set(name, tensor);
}

void ContextSample::load(const Tensors& in, const std::string& name) {
  const at::Tensor& held = in[name];
  if (held.dim() != 1 || held.scalar_type() != at::kLong) {
    throw Error(ErrorKind::data, cat("the saved contexts are ", held.toString(), " ", held.sizes(),
                                     ", expected row numbers"));
  }
  row_by_key_.clear();
  const auto row = held.accessor<std::int64_t, 1>();
  for (std::int64_t i = 0; i < held.size(0); ++i) offer(row[i]);
}

}  // namespace saffron::plugins
