#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <locale>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace saffron::testing {

// Of a process: what the operating system and C keep for all of it.
struct ProcessSurroundings {
  ProcessSurroundings();
  [[nodiscard]] std::string changed_since(const ProcessSurroundings& before) const;
  [[nodiscard]] std::string opened_since(const ProcessSurroundings& before) const;
  void restore() const;

 private:
  static constexpr std::size_t kSignals = 65;  // 1..64
  using File = std::pair<dev_t, ino_t>;

  [[nodiscard]] std::string variable_unlike(const ProcessSurroundings& before) const;
  [[nodiscard]] std::string signal_unlike(const ProcessSurroundings& before) const;
  [[nodiscard]] std::string limit_unlike(const ProcessSurroundings& before) const;
  [[nodiscard]] std::string descriptor_unlike(const ProcessSurroundings& before) const;

  std::string c_locale_;
  std::locale locale_;
  std::filesystem::path directory_;
  std::vector<std::string> environment_;  // sorted
  std::array<struct sigaction, kSignals> actions_{};
  sigset_t blocked_{};
  std::array<rlimit, RLIMIT_NLIMITS> limits_{};
  int priority_;
  std::map<int, File> open_;  // by descriptor
  mode_t mask_;
  unsigned alarm_;
};

}  // namespace saffron::testing
