#include <saffron/log.h>

#include <atomic>

namespace saffron::inline sdk_v1 {
namespace {

std::atomic<LogSink*> sink{nullptr};
thread_local const char* current_component = "";

}  // namespace

LogSink::~LogSink() = default;

void set_log_sink(LogSink* new_sink) { sink.store(new_sink); }

void log(LogLevel level, std::string_view message) {
  if (LogSink* target = sink.load()) target->write(level, current_component, message);
}

namespace logging {
void debug(std::string_view message) { log(LogLevel::debug, message); }
void info(std::string_view message) { log(LogLevel::info, message); }
void warning(std::string_view message) { log(LogLevel::warning, message); }
void error(std::string_view message) { log(LogLevel::error, message); }
}  // namespace logging

ComponentScope::ComponentScope(const char* component) : previous_(current_component) {
  current_component = component;
}

ComponentScope::~ComponentScope() { current_component = previous_; }

const char* ComponentScope::current() { return current_component; }

}  // namespace saffron::inline sdk_v1
