#include "framework/log/terminal_log.h"

#include <saffron/error.h>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace saffron::host {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

class TerminalLog final : public LogSink {
 public:
  TerminalLog(const std::string& file, bool verbose) : logger_("saffron") {
    auto terminal = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    terminal->set_pattern("%^%l%$: %v");
    terminal->set_level(verbose ? spdlog::level::info : spdlog::level::warn);
    logger_.sinks().push_back(std::move(terminal));
    if (!file.empty()) {
      auto disk = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
      disk->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
      disk->set_level(spdlog::level::debug);
      logger_.sinks().push_back(std::move(disk));
    }
    logger_.set_level(spdlog::level::debug);
    logger_.flush_on(spdlog::level::info);
  }

  void write(LogLevel level, std::string_view component, std::string_view message) override {
    std::string text;
    if (!component.empty()) text.append("[").append(component).append("] ");
    text.append(message);
    logger_.log(level_of(level), spdlog::string_view_t(text));
  }

 private:
  spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<LogSink> make_log(const std::string& file, bool verbose) {
  try {
    return std::make_unique<TerminalLog>(file, verbose);
  } catch (const spdlog::spdlog_ex& error) {
    throw Error(ErrorKind::io, error.what());
  }
}

}  // namespace saffron::host
