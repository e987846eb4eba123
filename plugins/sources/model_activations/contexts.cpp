#include "contexts.h"

#include <saffron/error.h>

#include <ATen/ops/empty.h>

#include <algorithm>
#include <map>

namespace saffron::plugins {
namespace {

// Tokens of each row before its padding.
std::vector<std::int64_t> lengths_of(const DataRows& read, std::span<const std::int64_t> rows) {
  const std::int64_t width = read.values.size(1);
  std::vector<std::int64_t> lengths(rows.size(), width);
  if (!read.mask.defined()) return lengths;
  const at::Tensor mask = read.mask.contiguous();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool* begin = mask.const_data_ptr<bool>() + static_cast<std::int64_t>(i) * width;
    const bool* end = std::find(begin, begin + width, false);
    if (std::find(end, begin + width, true) != begin + width) {
      throw Error(ErrorKind::data, cat("row ", rows[i], " of the dataset has padding at position ",
                                       end - begin, " and text after it"))
          .with_help("pad at the end: a model attends to what comes before");
    }
    lengths[i] = end - begin;
  }
  return lengths;
}

}  // namespace

Contexts::Contexts(const Dataset& dataset, std::vector<std::int64_t> rows, std::int64_t skip)
    : rows_(std::move(rows)), skip_(skip) {
  const DataRows read = dataset.rows(rows_);
  tokens_ = read.values.contiguous();
  lengths_ = lengths_of(read, rows_);
  first_.push_back(0);
  for (const std::int64_t length : lengths_) {
    first_.push_back(first_.back() + std::max<std::int64_t>(length - skip_, 0));
  }
}

at::Tensor Contexts::origin() const {
  at::Tensor out = at::empty({kept(), 2}, at::kLong);
  auto* to = out.mutable_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    for (std::int64_t position = skip_; position < lengths_[i]; ++position) {
      *to++ = rows_[i];
      *to++ = position;
    }
  }
  return out;
}

std::vector<Contexts::Batch> Contexts::batches(std::int64_t size) const {
  std::map<std::int64_t, std::vector<std::int64_t>> by_length;
  for (std::int64_t i = 0; i < count(); ++i) {
    const std::int64_t length = lengths_[static_cast<std::size_t>(i)];
    if (length > skip_) by_length[length].push_back(i);
  }
  std::vector<Batch> out;
  for (const auto& [length, members] : by_length) {
    for (auto begin = members.begin(); begin != members.end();) {
      const auto end = begin + std::min<std::int64_t>(size, members.end() - begin);
      out.push_back({{begin, end}, length});
      begin = end;
    }
  }
  return out;
}

at::Tensor Contexts::tokens_of(const Batch& batch) const {
  at::Tensor out =
      at::empty({static_cast<std::int64_t>(batch.members.size()), batch.length}, at::kLong);
  auto* to = out.mutable_data_ptr<std::int64_t>();
  for (const std::int64_t i : batch.members) {
    const std::int64_t* from = tokens_.const_data_ptr<std::int64_t>() + i * tokens_.size(1);
    to = std::copy_n(from, batch.length, to);
  }
  return out;
}

}  // namespace saffron::plugins
