#pragma once

#include <saffron/namespace.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

class Tokenizer;

enum class DataType : std::uint8_t { tokens, signal, labelled };

struct DatasetInfo {
  DataType type = DataType::tokens;
  std::int64_t rows = 0;
  std::int64_t length = 0;      // tokens or samples a row; the longest where rows differ
  std::int64_t channels = 0;    // signals only
  std::int64_t vocabulary = 0;  // tokens only: every id is below it
  std::string description;      // "2 files, 5.1 MB, 1,204,332 tokens"
};

// Rows of a dataset, padded at the end to one length, at most info().length; it may be another for
// other rows beside them. Padding holds valid values (ids below the vocabulary's size).
struct DataRows {
  at::Tensor values;  // tokens: int64 [n, T]; signal, labelled: float32 [n, C, T] or [n, D]
  at::Tensor mask;    // bool [n, T], false = padding; undefined = no padding
  at::Tensor labels;  // float32 or int64 [n, ...]; undefined = unlabelled
};

// Token sequences, signals or labelled rows, with random access by row.
//
//   rows(i)  is a pure function of i: the same row at any time, from any thread, in any order.
//
// Shuffling, splits, epochs and ranks are the host's. All methods are const and thread-safe.
class SAFFRON_EXPORT Dataset {
 public:
  static constexpr const char* kKind = "dataset";
  static constexpr const char* kInterface = "saffron.dataset/1";
  using Interface = Dataset;

  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  virtual ~Dataset();

  [[nodiscard]] virtual const DatasetInfo& info() const = 0;
  // Indices in [0, info().rows); Error (invalid) otherwise.
  [[nodiscard]] virtual DataRows rows(std::span<const std::int64_t> indices) const = 0;
  // Where a row comes from, for people: "king_james_bible.txt, line 311".
  [[nodiscard]] virtual std::string where(std::int64_t row) const = 0;
};

// Capability: a token dataset that knows its tokenizer.
class SAFFRON_EXPORT HasTokenizer {
 public:
  virtual ~HasTokenizer();
  [[nodiscard]] virtual const Tokenizer& tokenizer() const = 0;
};

}  // namespace saffron::inline sdk_v1
