#pragma once

#include "shard.h"

#include <saffron/context.h>
#include <saffron/dataset.h>
#include <saffron/schema.h>
#include <saffron/tokenizer.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace saffron::plugins {

// Token ids from files, cut into rows of `context` tokens.
//
//   a file of shape [n]      row i = ids[i c : (i + 1) c],        c = context
//   a file of shape [R, C]   each of its rows is cut by itself: floor(C / c) rows of c tokens
//
// What is left at the end of a vector or of a matrix's row is dropped. Files stay memory-mapped;
// all ids are checked once, on first use.
class Tokens final : public Dataset, public HasTokenizer {
 public:
  struct Options {
    std::vector<Path> files;
    std::string tensor;
    std::optional<std::int64_t> context;
    std::optional<std::int64_t> vocabulary;
    Child<Tokenizer> tokenizer;
  };
  static Schema<Options> schema();

  Tokens(const Options& options, const Context& context);

  const DatasetInfo& info() const override;
  DataRows rows(std::span<const std::int64_t> indices) const override;
  std::string where(std::int64_t row) const override;
  // Error (invalid) where none was given.
  const Tokenizer& tokenizer() const override;

 private:
  struct Part {  // a shard and its place among the rows
    Shard shard;
    std::int64_t first_row = 0;
    std::int64_t pieces = 1;  // rows from each of the file's rows
  };
  struct Position {
    const Shard* shard;
    std::int64_t begin;  // of the row, in the shard's ids
  };

  void choose_context();
  void place_rows();
  [[nodiscard]] Position find(std::int64_t row) const;
  [[nodiscard]] DatasetInfo check() const;

  Options options_;
  const Context& context_;
  std::vector<Part> parts_;
  std::int64_t length_ = 0;  // tokens a row
  std::int64_t rows_ = 0;
  mutable std::once_flag once_;
  mutable DatasetInfo info_;
};

}  // namespace saffron::plugins
