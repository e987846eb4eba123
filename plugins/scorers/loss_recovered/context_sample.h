#pragma once

#include <saffron/random.h>
#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace saffron::plugins {

// A uniform sample of dataset rows without replacement: those with the smallest random keys, a key
// being a pure function of the row. So it does not depend on the order in which rows come.
class ContextSample {
 public:
  ContextSample(std::int64_t size, Random random) : size_(size), random_(random) {}

  void add(const at::Tensor& origin);  // int64 [R, 2]: dataset row and position
  void merge(const ContextSample& other);
  void save(Tensors& out, const std::string& name) const;
  void load(const Tensors& in, const std::string& name);

  [[nodiscard]] std::vector<std::int64_t> rows() const;  // ascending

 private:
  void offer(std::int64_t row);

  std::int64_t size_;
  Random random_;
  std::map<std::uint64_t, std::int64_t> row_by_key_;
};

}  // namespace saffron::plugins
