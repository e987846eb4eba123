#pragma once

#include "framework/loader/catalog.h"
#include "framework/loader/sandbox.h"
#include "tests/places.h"

#include <saffron/error.h>
#include <saffron/log.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace saffron::host::testing {

namespace fs = std::filesystem;

// A plugin of tests/fixtures/plugins.
inline fs::path fixture(const std::string& name) {
  return fs::path(kBuildDir) / "tests" / "plugins" / ("libfixture_" + name + ".so");
}

// The program child_host.cpp.
inline ChildOptions child_program(std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
#ifdef __SANITIZE_ADDRESS__
  // Children are to die by their signals, as they do without the sanitizer.
  ::setenv("ASAN_OPTIONS",
           "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0", 1);
#endif
  ChildOptions options;
  options.program = fs::path(kBuildDir) / "tests" / "loader_child";
  options.timeout = timeout;
  return options;
}

class TempFolder {
 public:
  TempFolder() {
    std::string name = (fs::temp_directory_path() / "saffron-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }
  // A copy of a file in this folder, under a name of its own.
  fs::path copy(const fs::path& file, const std::string& name) const {
    fs::create_directories((path_ / name).parent_path());
    fs::copy_file(file, path_ / name, fs::copy_options::overwrite_existing);
    return path_ / name;
  }

 private:
  fs::path path_;
};

// The Error that a call throws.
template <class Call>
Error error_of(Call&& call) {
  try {
    std::forward<Call>(call)();
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& other) {
    ADD_FAILURE() << "threw something else: " << other.what();
    return Error("");
  }
  ADD_FAILURE() << "threw nothing";
  return Error("");
}

// A catalogue of these files or folders and nothing else.
inline Scan scan_of(const std::vector<fs::path>& paths) {
  SearchOptions options;
  options.standard_places = false;
  for (const fs::path& path : paths) options.plugin_path.push_back(path.string());
  return scan(options);
}

// Keeps what is logged while it lives.
class LogCapture final : public LogSink {
 public:
  LogCapture() { set_log_sink(this); }
  ~LogCapture() override { set_log_sink(nullptr); }
  void write(LogLevel level, std::string_view component, std::string_view message) override {
    lines.push_back({level, std::string(component), std::string(message)});
  }
  struct Line {
    LogLevel level;
    std::string component, message;
  };
  std::vector<Line> lines;
};

}  // namespace saffron::host::testing
