#include "row_sample.h"

#include <saffron/error.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

namespace saffron::plugins {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::uint64_t hash_bytes(const char* bytes, std::size_t size, std::uint64_t hash) {
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + at, std::min(sizeof(word), size - at));
    hash = mix(hash ^ word);
  }
  return hash;
}

at::Tensor keys_of(const at::Tensor& x, const at::Tensor& origin) {
  at::Tensor keys = at::empty({x.size(0)}, at::kLong);
  std::int64_t* key = keys.mutable_data_ptr<std::int64_t>();
  const at::Tensor places = origin.defined() ? origin.contiguous() : at::Tensor();
  const std::int64_t* place = places.defined() ? places.const_data_ptr<std::int64_t>() : nullptr;
  const auto* bytes = static_cast<const char*>(x.const_data_ptr());
  const auto size = static_cast<std::size_t>(x.size(1)) * x.element_size();
  at::parallel_for(0, x.size(0), 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::uint64_t hash = 0;
      if (place != nullptr) {
        hash = mix(mix(static_cast<std::uint64_t>(place[2 * r])) ^
                   static_cast<std::uint64_t>(place[2 * r + 1]));
      }
      hash = hash_bytes(bytes + static_cast<std::size_t>(r) * size, size, hash);
      key[r] = static_cast<std::int64_t>(hash >> 1);
    }
  });
  return keys;
}

}  // namespace

RowSample::RowSample(std::int64_t capacity, std::int64_t width, std::int64_t columns)
    : capacity_(capacity),
      keys_(at::empty({0}, at::kLong)),
      x_(at::empty({0, width}, at::kFloat)),
      errors_(at::empty({0, columns}, at::kDouble)) {}

void RowSample::add(const at::Tensor& x, const at::Tensor& errors, const at::Tensor& origin) {
  const at::Tensor rows = x.detach().to(at::kCPU).contiguous();
  const at::Tensor keys = keys_of(rows, origin);
  if (keys_.size(0) < capacity_) return keep_smallest(keys, rows, errors);
  const at::Tensor smaller = keys.lt(keys_[capacity_ - 1]).nonzero().squeeze(1);
  if (smaller.size(0) == 0) return;
  keep_smallest(keys.index_select(0, smaller), rows.index_select(0, smaller),
                errors.index_select(0, smaller));
}

void RowSample::keep_smallest(const at::Tensor& keys, const at::Tensor& x,
                              const at::Tensor& errors) {
  const at::Tensor all = at::cat({keys_, keys});
  const at::Tensor order = at::argsort(all, true, 0).slice(0, 0, capacity_);
  keys_ = all.index_select(0, order);
  x_ = at::cat({x_.to(x.scalar_type()), x}).index_select(0, order);
  errors_ = at::cat({errors_, errors}).index_select(0, order);
}

void RowSample::merge(const RowSample& other) {
  if (other.keys_.size(0) > 0) keep_smallest(other.keys_, other.x_, other.errors_);
}

void RowSample::save(Tensors& out, const std::string& prefix) const {
  out.set(prefix + "keys", keys_.clone());
  out.set(prefix + "rows", x_.clone());
  out.set(prefix + "errors", errors_.clone());
}

void RowSample::load(const Tensors& in, const std::string& prefix) {
  const at::Tensor &keys = in[prefix + "keys"], &x = in[prefix + "rows"],
                   &errors = in[prefix + "errors"];
  if (keys.dim() != 1 || keys.scalar_type() != at::kLong || keys.size(0) > capacity_ ||
      x.dim() != 2 || x.size(0) != keys.size(0) || x.size(1) != x_.size(1) || errors.dim() != 2 ||
      errors.size(0) != keys.size(0) || errors.size(1) != errors_.size(1) ||
      errors.scalar_type() != at::kDouble) {
    throw Error(ErrorKind::data, cat("the saved sample of rows does not fit: keys ", keys.sizes(),
                                     ", rows ", x.sizes(), ", errors ", errors.sizes()));
  }
  keys_ = keys.clone();
  x_ = x.clone();
  errors_ = errors.clone();
}

}  // namespace saffron::plugins
