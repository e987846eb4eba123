#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace saffron::host {

// What the program is doing: one line that rewrites itself on a terminal, a line now and then
// elsewhere (to stderr; stdout belongs to results).
class Progress {
 public:
  enum class Style : std::uint8_t { automatic, terminal, lines, silent };
  explicit Progress(Style style);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Starts a stage; time left is estimated from here.
  void begin(std::string_view stage);
  // total 0 = unknown; `detail` follows: "loss 12.3  FVU 0.21".
  void update(std::int64_t done, std::int64_t total, std::string_view detail = {});
  // A line that stays.
  void say(std::string_view line);
  void end();

 private:
  using Clock = std::chrono::steady_clock;
  void show(const std::string& line, bool last);
  [[nodiscard]] std::string compose(std::int64_t done, std::int64_t total,
                                    std::string_view detail) const;

  bool terminal_, silent_;
  std::string stage_;
  Clock::time_point started_, shown_;
  bool open_ = false;  // an unfinished line is on the terminal
};

// "1:02:03", "4:05", "12 s"
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace saffron::host
