#include <saffron/testing/toys.h>

#include <saffron/error.h>

#include <ATen/ops/empty.h>

namespace saffron::testing {
namespace {

constexpr std::int64_t kRows = 64, kLength = 16, kLetters = 26;
constexpr double kFollow = 0.75;  // how often a letter is the one after the last

}  // namespace

std::vector<std::int32_t> ToyTokenizer::encode(std::string_view text, bool) const {
  std::vector<std::int32_t> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

std::string ToyTokenizer::bytes(std::int32_t id) const {
  return id < 256 ? std::string(1, static_cast<char>(id)) : std::string();
}

std::string ToyTokenizer::spelling(std::int32_t id) const {
  if (id == bos()) return "<begin>";
  return id == eos() ? "<end>" : bytes(id);
}

ToyDataset::ToyDataset(std::uint64_t seed) : random_(Random(seed).fork("toy text")) {
  info_ = {.type = DataType::tokens,
           .rows = kRows,
           .length = kLength,
           .vocabulary = tokenizer_.vocabulary(),
           .description = "64 rows of 16 letters"};
}

DataRows ToyDataset::rows(std::span<const std::int64_t> indices) const {
  at::Tensor values = at::empty({static_cast<std::int64_t>(indices.size()), kLength}, at::kLong);
  auto* out = values.mutable_data_ptr<std::int64_t>();
  for (const std::int64_t index : indices) {
    if (index < 0 || index >= kRows) throw Error(cat("row ", index, " of a dataset of ", kRows));
    const auto row = static_cast<std::uint64_t>(index);
    std::uint64_t letter = 0;
    for (std::uint64_t t = 0; t < kLength; ++t) {
      const bool follows = t > 0 && random_.uniform(row, 2 * t + 1) < kFollow;
      letter = follows ? (letter + 1) % kLetters : random_.below(kLetters, row, 2 * t);
      *out++ = 'a' + static_cast<std::int64_t>(letter);
    }
  }
  return {.values = values, .mask = {}, .labels = {}};
}

std::string ToyDataset::where(std::int64_t row) const { return cat("toy text, row ", row); }

}  // namespace saffron::testing
