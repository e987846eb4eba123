#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace saffron::plugins {

// Which columns of a table are what.
struct ScoreColumns {
  std::string prompt = "prompt_id", response = "response_id";
  std::vector<std::string> scores;  // none: every other one
  // Unset: the column of that name where there is one.
  std::optional<std::string> label, log_reference;
  std::vector<std::string> numbers, groups;  // further columns, of numbers and of words
};

// Scores of responses as a file has them, a row a response; every number is finite.
struct Scores {
  struct Column {
    std::string name;
    std::vector<double> values;
  };
  std::string source;
  std::vector<std::string> prompts, responses;  // of each row
  std::vector<std::int64_t> lines;              // of each row, in a CSV file; empty for tensors
  std::vector<Column> scores;
  std::optional<Column> label, log_reference;
  std::vector<Column> numbers;
  struct Words {
    std::string name;
    std::vector<std::string> values;
  };
  std::vector<Words> groups;

  // "scores.csv:17", "scores.npz, row 3".
  [[nodiscard]] std::string place(std::size_t row) const;
};

// The positions of `columns` among the names that a file has. Error (data), with the nearest name, where one
// is missing, comes twice or is asked for twice, or where no score is left.
struct ScoreLayout {
  std::size_t prompt = 0, response = 0;
  std::vector<std::size_t> scores;
  std::optional<std::size_t> label, log_reference;
  std::vector<std::size_t> numbers, groups;
};
[[nodiscard]] ScoreLayout score_layout(const ScoreColumns& columns,
                                       const std::vector<std::string>& names,
                                       const std::string& source);

[[nodiscard]] Scores read_csv_scores(const std::filesystem::path& path,
                                     const ScoreColumns& columns);
// A .safetensors or .npz file with a tensor [N] for each column, ids being integers.
[[nodiscard]] Scores read_tensor_scores(const std::filesystem::path& path,
                                        const ScoreColumns& columns);

}  // namespace saffron::plugins
