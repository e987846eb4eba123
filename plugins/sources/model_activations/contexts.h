#pragma once

#include <saffron/dataset.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace saffron::plugins {

// Contexts of a dataset, and which of their positions are kept: those from `skip` to the padding.
//
//   kept rows   context by context in the order of `rows`, position by position
class Contexts {
 public:
  // Reads the rows. Error (data) where a mask has padding before text: a model would attend to it.
  Contexts(const Dataset& dataset, std::vector<std::int64_t> rows, std::int64_t skip);

  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(rows_.size()); }
  [[nodiscard]] std::int64_t kept() const { return first_.back(); }  // rows of activations
  // The kept rows of context i are [first(i), first(i + 1)).
  [[nodiscard]] std::int64_t first(std::int64_t i) const {
    return first_[static_cast<std::size_t>(i)];
  }
  [[nodiscard]] std::int64_t skip() const { return skip_; }
  [[nodiscard]] const at::Tensor& tokens() const { return tokens_; }  // int64 [count, T]
  // int64 [kept, 2]: dataset row and position of each kept row.
  [[nodiscard]] at::Tensor origin() const;

  // Contexts that are run together: they have one length, so that none is padded, and something of
  // each is kept. At most `size` contexts a batch.
  struct Batch {
    std::vector<std::int64_t> members;  // numbers of contexts, ascending
    std::int64_t length = 0;            // tokens
  };
  [[nodiscard]] std::vector<Batch> batches(std::int64_t size) const;
  [[nodiscard]] at::Tensor tokens_of(const Batch& batch) const;  // int64 [members, length]

 private:
  std::vector<std::int64_t> rows_;
  std::int64_t skip_;
  at::Tensor tokens_;
  std::vector<std::int64_t> lengths_;  // tokens before the padding
  std::vector<std::int64_t> first_;    // one more than there are contexts
};

}  // namespace saffron::plugins
