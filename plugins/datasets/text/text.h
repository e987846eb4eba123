#pragma once

#include "documents.h"

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

// Text files as rows of `context` tokens.
//
//   stream = ids(document 1), separator, ids(document 2), separator, ...
//   row i  = [bos,] stream[i n : (i + 1) n],   n = context, less 1 with a bos
//
// Rows run on across documents and files; what is left after the last full row is dropped. Reading
// and tokenizing happen once, on first use, in parallel over documents.
class Text final : public Dataset, public HasTokenizer {
 public:
  struct Options {
    std::vector<Path> files;
    Child<Tokenizer> tokenizer;
    std::int64_t context = 128;
    Unit document = Unit::file;
    std::optional<std::string> separator;
    std::optional<bool> prepend_bos;
    bool special_tokens = false;
  };
  static Schema<Options> schema();

  Text(const Options& options, const Context& context);

  const DatasetInfo& info() const override { return corpus().info; }
  DataRows rows(std::span<const std::int64_t> indices) const override;
  std::string where(std::int64_t row) const override;
  const Tokenizer& tokenizer() const override { return *options_.tokenizer; }

 private:
  struct Place {  // where a row's first token begins
    std::uint32_t file;
    std::int64_t line;
  };
  struct Corpus {
    std::vector<std::int32_t> stream;
    std::vector<Place> places;  // by row
    DatasetInfo info;
  };

  [[nodiscard]] const Corpus& corpus() const;
  [[nodiscard]] Corpus read() const;
  [[nodiscard]] std::vector<std::vector<std::int32_t>> encode(
      const std::vector<Document>& documents) const;
  void fill(const std::vector<Document>& documents, Corpus& corpus) const;
  void check_row(std::int64_t row) const;

  Options options_;
  const Context& context_;
  std::vector<std::string> files_;
  std::vector<std::string> names_;  // of files_, for people
  std::int32_t bos_ = -1;           // in front of each row; -1: none
  std::int32_t separator_ = -1;     // between documents; -1: none
  std::int64_t row_tokens_ = 0;     // of the stream, a row
  mutable std::once_flag once_;
  mutable Corpus corpus_;
};

}  // namespace saffron::plugins
