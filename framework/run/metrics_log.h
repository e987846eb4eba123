#pragma once

#include <saffron/value.h>

#include <filesystem>
#include <vector>

namespace saffron::host {

// metrics.jsonl: one JSON object a line, appended while SAEs train. Resuming replaces it by the lines
// that still hold, so that none stands twice and no half line stays.
class MetricsLog {
 public:
  explicit MetricsLog(std::filesystem::path file);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  void append(const Value& record);
  // Its lines; one that a kill cut short is left out.
  [[nodiscard]] std::vector<Value> records() const;
  // These lines and no others, at once.
  void replace(const std::vector<Value>& records);
  void synchronise() const;

 private:
  void open();

  std::filesystem::path file_;
  int descriptor_ = -1;
};

// The file's records, line by line; none when there is no file. Error (data) names a damaged line.
[[nodiscard]] std::vector<Value> read_metrics(const std::filesystem::path& file);

}  // namespace saffron::host
