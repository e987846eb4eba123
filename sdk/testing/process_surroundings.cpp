#include "testing/process_surroundings.h"

#include <saffron/error.h>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>

namespace saffron::testing {
namespace {

std::vector<std::string> environment() {
  std::vector<std::string> out;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) out.emplace_back(*one);
  std::sort(out.begin(), out.end());
  return out;
}

std::string name_of(const std::string& variable) { return variable.substr(0, variable.find('=')); }

void restore_environment(const std::vector<std::string>& before) {
  for (const std::string& one : environment()) {
    if (!std::binary_search(before.begin(), before.end(), one)) ::unsetenv(name_of(one).c_str());
  }
  for (const std::string& one : before) {
    const std::string name = name_of(one);
    const char* now = std::getenv(name.c_str());
    if (now != nullptr || name.size() == one.size()) continue;
    ::setenv(name.c_str(), one.c_str() + name.size() + 1, 1);
  }
}

std::map<int, std::pair<dev_t, ino_t>> open_files() {
  std::map<int, std::pair<dev_t, ino_t>> out;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), ::closedir);
  if (folder == nullptr) return out;
  while (const dirent* entry = ::readdir(folder.get())) {
    const int descriptor = std::atoi(entry->d_name);
    struct stat file{};
    const bool named = entry->d_name[0] != '.' && descriptor != ::dirfd(folder.get());
    if (named && ::fstat(descriptor, &file) == 0) out[descriptor] = {file.st_dev, file.st_ino};
  }
  return out;
}

std::string path_of(int descriptor) {
  std::error_code ignored;
  const auto path = std::filesystem::read_symlink(cat("/proc/self/fd/", descriptor), ignored);
  return path.empty() ? cat("descriptor ", descriptor) : path.string();
}

}  // namespace

ProcessSurroundings::ProcessSurroundings()
    : c_locale_(std::setlocale(LC_ALL, nullptr)),
      directory_(std::filesystem::current_path()),
      environment_(environment()),
      priority_(::getpriority(PRIO_PROCESS, 0)),
      open_(open_files()),
      mask_(::umask(0)),
      alarm_(::alarm(0)) {
  ::umask(mask_);
  ::alarm(alarm_);
  for (std::size_t signal = 1; signal < kSignals; ++signal) {
    ::sigaction(static_cast<int>(signal), nullptr, &actions_[signal]);
  }
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked_);
  for (std::size_t i = 0; i < limits_.size(); ++i) {
    ::getrlimit(static_cast<__rlimit_resource>(i), &limits_[i]);
  }
}

// "TZ": the first variable that is not what it was.
std::string ProcessSurroundings::variable_unlike(const ProcessSurroundings& before) const {
  std::vector<std::string> apart;
  std::set_symmetric_difference(before.environment_.begin(), before.environment_.end(),
                                environment_.begin(), environment_.end(),
                                std::back_inserter(apart));
  return apart.empty() ? ""
                       : cat("changes the environment variable '", name_of(apart.front()), '\'');
}

std::string ProcessSurroundings::signal_unlike(const ProcessSurroundings& before) const {
  for (std::size_t signal = 1; signal < kSignals; ++signal) {
    const int number = static_cast<int>(signal);
    const bool handled = before.actions_[signal].sa_handler != actions_[signal].sa_handler;
    const bool blocked =
        ::sigismember(&before.blocked_, number) != ::sigismember(&blocked_, number);
    if (!handled && !blocked) continue;
    const char* name = ::sigabbrev_np(number);
    return cat(handled ? "sets the handler of " : "blocks or unblocks ",
               name == nullptr ? cat("signal ", number) : cat("SIG", name));
  }
  return {};
}

std::string ProcessSurroundings::limit_unlike(const ProcessSurroundings& before) const {
  const auto same = [](const rlimit& a, const rlimit& b) {
    return a.rlim_cur == b.rlim_cur && a.rlim_max == b.rlim_max;
  };
  const bool all = std::equal(limits_.begin(), limits_.end(), before.limits_.begin(), same);
  return all ? "" : "sets a limit of the process (setrlimit)";
}

std::string ProcessSurroundings::descriptor_unlike(const ProcessSurroundings& before) const {
  for (const auto& [descriptor, file] : before.open_) {
    const auto now = open_.find(descriptor);
    if (now != open_.end() && now->second == file) continue;
    return cat("closes descriptor ", descriptor, ", which is not its own");
  }
  return {};
}

std::string ProcessSurroundings::changed_since(const ProcessSurroundings& before) const {
  if (before.c_locale_ != c_locale_ || before.locale_ != locale_) return "sets the locale";
  if (before.directory_ != directory_) return "changes the working directory";
  if (before.mask_ != mask_) return "sets the umask";
  if ((before.alarm_ == 0) != (alarm_ == 0)) return "sets an alarm, which ends the process";
  if (before.priority_ != priority_) return "sets the priority of the process";
  for (const auto unlike :
       {&ProcessSurroundings::variable_unlike, &ProcessSurroundings::signal_unlike,
        &ProcessSurroundings::limit_unlike, &ProcessSurroundings::descriptor_unlike}) {
    std::string changes = (this->*unlike)(before);
    if (!changes.empty()) return changes;
  }
  return {};
}

std::string ProcessSurroundings::opened_since(const ProcessSurroundings& before) const {
  for (const auto& [descriptor, file] : open_) {
    if (!before.open_.contains(descriptor)) return path_of(descriptor);
  }
  return {};
}

void ProcessSurroundings::restore() const {
  const ProcessSurroundings now;
  if (now.locale_ != locale_) std::locale::global(locale_);  // and C's with it
  std::setlocale(LC_ALL, c_locale_.c_str());
  std::error_code ignored;
  if (now.directory_ != directory_) std::filesystem::current_path(directory_, ignored);
  ::umask(mask_);
  if ((now.alarm_ == 0) != (alarm_ == 0)) ::alarm(alarm_);
  if (now.environment_ != environment_) restore_environment(environment_);
  for (std::size_t signal = 1; signal < kSignals; ++signal) {
    if (now.actions_[signal].sa_handler == actions_[signal].sa_handler) continue;
    ::sigaction(static_cast<int>(signal), &actions_[signal], nullptr);
  }
  ::pthread_sigmask(SIG_SETMASK, &blocked_, nullptr);
  for (std::size_t i = 0; i < limits_.size(); ++i) {
    ::setrlimit(static_cast<__rlimit_resource>(i), &limits_[i]);
  }
}

}  // namespace saffron::testing
