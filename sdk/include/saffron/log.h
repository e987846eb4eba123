#pragma once

#include <saffron/namespace.h>

#include <cstdint>
#include <string_view>

// Messages to the run's log and, from warnings up, to the terminal. A plugin never prints: stdout
// belongs to the program, and a second copy of a logging library would print through its own sink.
// Thread-safe. Compose text with cat() of error.h.

namespace saffron::inline sdk_v1 {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

// Where messages go. The host installs one before it loads a plugin; without one they are dropped.
class SAFFRON_EXPORT LogSink {
 public:
  virtual ~LogSink();
  virtual void write(LogLevel level, std::string_view component, std::string_view message) = 0;
};

SAFFRON_EXPORT void set_log_sink(LogSink* sink);  // the caller keeps ownership; nullptr removes it
SAFFRON_EXPORT void log(LogLevel level, std::string_view message);

namespace logging {
SAFFRON_EXPORT void debug(std::string_view message);
SAFFRON_EXPORT void info(std::string_view message);
SAFFRON_EXPORT void warning(std::string_view message);
SAFFRON_EXPORT void error(std::string_view message);
}  // namespace logging

// The component that this thread works for, e.g. "regularizer hoyer (train.all.regularizer.hoyer)";
// set by the host's guard around every call into a plugin, read by log() and by crash reports.
class SAFFRON_EXPORT ComponentScope {
 public:
  explicit ComponentScope(const char* component);  // the text must outlive the scope
  ~ComponentScope();
  ComponentScope(const ComponentScope&) = delete;
  ComponentScope& operator=(const ComponentScope&) = delete;
  [[nodiscard]] static const char* current();  // "" outside any

 private:
  const char* previous_;
};

}  // namespace saffron::inline sdk_v1
