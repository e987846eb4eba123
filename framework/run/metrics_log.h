#pragma once

#include <saffron/value.h>

#include <cstdint>
#include <filesystem>
#include <vector>

namespace saffron::host {

// metrics.jsonl: one JSON object a line, appended. A checkpoint remembers its length; resuming cuts it
// back to there, so that no line stands twice and no half line stays.
class MetricsLog {
 public:
  explicit MetricsLog(std::filesystem::path file);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  void append(const Value& record);
  [[nodiscard]] std::int64_t length() const { return length_; }
  // Error (data) when the file is shorter than that.
  void cut(std::int64_t length);
  void synchronise() const;

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
  std::int64_t length_ = 0;
};

// The file's records, line by line; none when there is no file. Error (data) names a damaged line.
[[nodiscard]] std::vector<Value> read_metrics(const std::filesystem::path& file);

}  // namespace saffron::host
