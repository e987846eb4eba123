#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace saffron::host {

// What the program is doing: one line that rewrites itself on a terminal, a line now and then
// elsewhere (to stderr; stdout belongs to results). Thread-safe: components call from workers.
class Progress {
 public:
  enum class Style : std::uint8_t { automatic, terminal, lines, silent };
  explicit Progress(Style style);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Starts a stage, of which `done` is done; time left is estimated from here.
  void begin(std::string_view stage, std::int64_t done = 0);
  // total 0 = unknown; `detail` follows: "loss 12.3  FVU 0.21".
  void update(std::int64_t done, std::int64_t total, std::string_view detail = {});
  // What a component does meanwhile, shown beside the stage as it stands.
  void beside(std::string_view what, std::int64_t done, std::int64_t total);
  // A line that stays.
  void say(std::string_view line);
  void end();

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] bool due();
  void wipe();
  void show(const std::string& line);
  [[nodiscard]] std::string compose() const;

  std::mutex mutex_;
  bool terminal_, silent_;
  std::string stage_, detail_;
  std::int64_t from_ = 0, done_ = 0, total_ = 0;
  Clock::time_point started_, shown_;
  bool open_ = false;  // an unfinished line is on the terminal
};

// "1:02:03", "4:05", "12 s"
[[nodiscard]] std::string duration_text(double seconds);
// "12,000"
[[nodiscard]] std::string count_text(std::int64_t value);

}  // namespace saffron::host
