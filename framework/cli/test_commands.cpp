#include "framework/cli/commands.h"

#include "framework/author/new_plugin.h"
#include "framework/conformance/settings.h"
#include "framework/conformance/test_plugin.h"
#include "framework/graph/host_context.h"

#include <saffron/error.h>

#include <CLI/Error.hpp>

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <iostream>
#include <memory>

namespace saffron::cli {
namespace {

constexpr int kFailed = 4;  // a plugin failed

struct TestOptions {
  host::TestRequest request;
  std::string file, config;
  int strictness = 0;
  std::int64_t seed = 0;
  double timeout = 60, memory = 0;  // GiB; 0 = not said
  bool has_config = false, has_timeout = false, list = false, json = false, only_failed = false;
};

// Where paths in options are relative to: the folder of test-plugin.toml.
void read_settings(TestOptions& options) {
  if (options.has_config) {
    if (options.config.empty()) {
      throw Error(ErrorKind::recipe, "error: --config \"\" names no file");
    }
    const std::filesystem::path config = std::filesystem::absolute(options.config);
    options.request.settings = host::read_test_settings(config, options.request.problems);
    if (is_directory(config.parent_path())) std::filesystem::current_path(config.parent_path());
  }
  constexpr double kGiB = 1u << 30;
  const double memory = options.memory > 0 ? options.memory : options.request.settings.memory;
  options.request.limits.memory = static_cast<std::uint64_t>(memory * kGiB);
  options.request.limits.timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(options.timeout * 1000));
  if (options.strictness > 0) options.request.settings.strictness = options.strictness;
  if (options.seed > 0) options.request.settings.seed = static_cast<std::uint64_t>(options.seed);
}

// On a terminal the check that runs is shown on one line that goes away.
void show_progress(const host::TestedCheck& check) {
  std::cerr << "\r\033[K" << check.subject << ' ' << check.id << std::flush;
}

// The command that does the same once more.
std::string again(const TestOptions& options, const host::PluginTest& result) {
  std::string out =
      cat("saffron test-plugin ", host::shell_word(options.file), " --reproduce ", result.seed);
  if (options.strictness > 0) out += cat(" --strictness ", options.strictness);
  if (options.memory > 0) out += cat(" --memory ", options.memory);
  if (options.has_timeout) out += cat(" --timeout ", options.timeout);
  if (options.has_config) out += cat(" --config ", host::shell_word(options.config));
  for (const std::string& id : options.request.only) out += cat(" --only ", host::shell_word(id));
  for (const std::string& component : options.request.components) {
    out += cat(" --component ", host::shell_word(component));
  }
  return out;
}

int print_list(const TestOptions& options) {
  if (options.file.empty()) {
    std::cout << host::list_of_checks();
  } else {
    const host::PluginFile file = host::read_plugin_file(options.file);
    std::cout << host::list_of_checks(&file);
  }
  return 0;
}

// The test, told of on standard output: as text while it runs, as JSON when it has run.
host::PluginTest told(const TestOptions& options) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const host::PluginFile file = host::read_plugin_file(options.request.file);
  host::TextReport report(std::cout, options.only_failed);
  bool begun = options.json;
  const auto begin = [&] {
    if (!begun) report.begin(file, options.request.settings);
    begun = true;
  };
  const host::PluginTest result =
      host::test_plugin(options.request, [&](const host::TestedCheck& check) {
        if (terminal) std::cerr << "\r\033[K" << std::flush;
        begin();
        if (!options.json) report.add(check);
        if (terminal) show_progress(check);
      });
  if (terminal) std::cerr << "\r\033[K" << std::flush;
  begin();
  if (options.json) {
    std::cout << to_json(host::to_value(result, options.only_failed), JsonStyle::pretty) << '\n';
  } else {
    report.end(result);
  }
  return result;
}

int test(TestOptions& options) {
  options.request.file = std::filesystem::absolute(options.file);
  read_settings(options);
  host::catch_interrupts();  // the children's temporary folder goes with an orderly end
  const host::PluginTest result = told(options);
  if (result.stopped) throw Error(ErrorKind::cancelled, "stopped on request");
  if (result.passed()) return 0;
  if (!options.json) {
    std::cout << "again, with the same draws:  " << again(options, result)
              << "\nin a debugger:               add --in-process "
              << "--only ID --component KIND/NAME\n";
  }
  return kFailed;
}

// As CLI::Range, whose error writes the bounds with six decimals.
CLI::Validator within(double least, double most) {
  const std::string range = cat(least, " to ", most);
  const auto check = [=](const std::string& text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    const bool number = read.ec == std::errc{} && read.ptr == end;
    if (number && value >= least && value <= most) return std::string{};
    return cat("'", text, "' is not a number from ", range);
  };
  return {check, cat("[", least, " - ", most, "]")};
}

}  // namespace

void add_test_commands(CLI::App& app, int& code) {
  auto options = std::make_shared<TestOptions>();
  auto* command = app.add_subcommand(
      "test-plugin", "Hold a plugin to its contract: every check, each in a process of its own");
  auto* file = command->add_option("file", options->file, "the plugin's shared library");
  auto* config = command->add_option(
      "--config", options->config,
      "test-plugin.toml: options to create components with, checks switched off");
  command->add_option("--only", options->request.only, "only these checks, by id; may be repeated")
      ->expected(1)
      ->take_all();
  command
      ->add_option("--component", options->request.components,
                   "only these components, as kind/name; may be repeated")
      ->expected(1)
      ->take_all();
  command
      ->add_option("--strictness", options->strictness,
                   "1 (crashes and garbage) to 10 (everything); 5 is good enough to share")
      ->check(within(1, 10));
  command->add_option("--reproduce", options->seed, "the seed of an earlier test")
      ->check(within(1, 9e15));
  auto* timeout = command
                      ->add_option("--timeout", options->timeout,
                                   "seconds that one check may take (default 60)")
                      ->check(within(0.05, 86400));
  command
      ->add_option("--memory", options->memory,
                   "GiB that one check may take (default 4, or half of the machine's)")
      ->check(within(0.125, 1e6));
  command->add_flag("--only-failed", options->only_failed, "leave out what passed or was skipped");
  command->add_flag("--json", options->json, "as JSON");
  command->add_flag("--in-process", options->request.in_process,
                    "run in this process, for a debugger; a crash ends it");
  auto* list =
      command->add_flag("--list", options->list,
                        "list every check and what it means; with a file, those that it must pass");
  for (CLI::Option* other : command->get_options()) {
    const bool goes_with = other == file || other == list || other == command->get_help_ptr();
    if (!goes_with) list->excludes(other);
  }
  command->callback([options, config, timeout, &code] {
    if (options->file.empty() && !options->list) throw CLI::RequiredError("file");
    options->has_config = config->count() > 0;
    options->has_timeout = timeout->count() > 0;
    code = options->list ? print_list(*options) : test(*options);
  });
}

}  // namespace saffron::cli
