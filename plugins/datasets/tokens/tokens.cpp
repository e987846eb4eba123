#include "tokens.h"

#include <saffron/error.h>
#include <saffron/files.h>

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kDefaultContext = 128;  // of vectors; a matrix has its columns
constexpr double kMostInt32 = std::numeric_limits<std::int32_t>::max();

}  // namespace

Schema<Tokens::Options> Tokens::schema() {
  return Schema<Options>{}
      .param("files", &Options::files,
             ".npy or .safetensors files of int32, int64 or uint16 ids; patterns such as ids/*.npy",
             required(), not_empty(), hashed_file())
      .param("tensor", &Options::tensor, "which tensor of a safetensors file that has several")
      .param("context", &Options::context,
             "tokens a row; by default a matrix's columns, and 128 of a vector",
             between(1, kMostInt32), unit("tokens"))
      .param("vocabulary", &Options::vocabulary,
             "every id is below it; by default the tokenizer's, or what the largest id needs",
             between(1, kMostInt32))
      .param("tokenizer", &Options::tokenizer,
             "a model's name, or a tokenizer: for showing the tokens as text");
}

Tokens::Tokens(const Options& options, const Context& context)
    : options_(options), context_(context) {
  std::vector<std::string> patterns;
  for (const Path& path : options_.files) patterns.push_back(path.value);
  for (const std::string& file : expand_files(patterns)) {
    parts_.push_back({Shard(file, options_.tensor)});
  }
  choose_context();
  place_rows();
}

void Tokens::choose_context() {
  if (options_.context) {
    length_ = *options_.context;
    return;
  }
  const auto natural = [](const Shard& shard) {
    return shard.is_matrix() ? shard.columns() : kDefaultContext;
  };
  const Shard& first = parts_[0].shard;
  length_ = natural(first);
  for (const Part& part : parts_) {
    if (natural(part.shard) == length_) continue;
    throw Error(ErrorKind::data, cat("rows of ", natural(part.shard), " tokens, but ", length_,
                                     " in ", first.path()))
        .within(part.shard.path())
        .with_help("give the context that all are cut into");
  }
}

void Tokens::place_rows() {
  for (Part& part : parts_) {
    const Shard& shard = part.shard;
    part.first_row = rows_;
    if (shard.count() == 0) continue;
    part.pieces = shard.columns() / length_;
    if (part.pieces == 0) {
      throw Error(ErrorKind::data,
                  cat(shard.is_matrix() ? "rows" : "a vector", " of ", shard.columns(),
                      " tokens, fewer than the context of ", length_))
          .within(shard.path());
    }
    rows_ += shard.count() / shard.columns() * part.pieces;
  }
  if (rows_ == 0)
    throw Error(ErrorKind::data, "there are no tokens").within(parts_[0].shard.path());
}

const DatasetInfo& Tokens::info() const {
  std::call_once(once_, [this] { info_ = check(); });
  return info_;
}

DatasetInfo Tokens::check() const {
  DatasetInfo info;
  info.rows = rows_;
  info.length = length_;
  std::int64_t bound = -1;
  if (options_.tokenizer) bound = options_.tokenizer->vocabulary();
  if (options_.vocabulary) bound = *options_.vocabulary;
  std::int64_t largest = -1, count = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (context_.cancelled()) throw Error(ErrorKind::cancelled, "stopped while checking token ids");
    largest = std::max(largest, parts_[i].shard.check(bound));
    count += parts_[i].shard.count();
    context_.progress("checking token ids", static_cast<std::int64_t>(i) + 1,
                      static_cast<std::int64_t>(parts_.size()));
  }
  info.vocabulary = bound >= 0 ? bound : largest + 1;
  info.description =
      cat(parts_.size(), parts_.size() == 1 ? " file, " : " files, ", count, " tokens");
  return info;
}

Tokens::Position Tokens::find(std::int64_t row) const {
  if (row < 0 || row >= rows_) {
    throw Error(cat("there is no row ", row, ": rows go from 0 to ", rows_ - 1));
  }
  // The last part that begins at or before the row; empty parts begin where the next one does.
  const auto after = std::upper_bound(
      parts_.begin(), parts_.end(), row,
      [](std::int64_t wanted, const Part& part) { return wanted < part.first_row; });
  const Part& part = *std::prev(after);
  const std::int64_t inside = row - part.first_row;
  const std::int64_t begin =
      inside / part.pieces * part.shard.columns() + inside % part.pieces * length_;
  return {&part.shard, begin};
}

DataRows Tokens::rows(std::span<const std::int64_t> indices) const {
  static_cast<void>(info());  // the ids are checked before any is handed out
  DataRows out;
  out.values = at::empty({static_cast<std::int64_t>(indices.size()), length_}, at::kLong);
  auto* to = out.values.mutable_data_ptr<std::int64_t>();
  for (const std::int64_t row : indices) {
    const Position position = find(row);
    position.shard->copy(position.begin, length_, to);
    to += length_;
  }
  return out;
}

std::string Tokens::where(std::int64_t row) const {
  const Position position = find(row);
  const std::string name = std::filesystem::path(position.shard->path()).filename();
  return cat(name, ", ", position.shard->place(position.begin));
}

const Tokenizer& Tokens::tokenizer() const {
  if (options_.tokenizer) return *options_.tokenizer;
  throw Error("the token files come without a tokenizer")
      .with_help("set the dataset's `tokenizer`, e.g. to the name of the model");
}

}  // namespace saffron::plugins
