#include "framework/cli/commands.h"

#include "framework/loader/crash.h"
#include "framework/log/terminal_log.h"
#include "framework/recipe/problems.h"

#include <saffron/build_tag.h>
#include <saffron/error.h>
#include <saffron/log.h>

#include <unistd.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <c10/util/Exception.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <new>
#include <string>
#include <system_error>
#include <vector>

namespace {

constexpr const char* kNoMemory =
    "error: there is not enough memory; `saffron plan` says how much a recipe takes\n";

constexpr const char* kAbout =
    R"(Saffron: experiments on sparse autoencoders and on reward functions.

A recipe (TOML) names datasets, models, sources, SAEs, what trains and scores them, and
which plugins they come from. A first session:

  saffron plugins                      what there is
  saffron inspect sae topk             one component and its parameters
  saffron check recipes/mine.toml      every mistake at once, nothing is run
  saffron plan recipes/mine.toml       what would run, what it needs, what is cached
  saffron run recipes/mine.toml        run it; the same command again resumes it)";

constexpr const char* kFooter =
    R"(Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the recipe or its inputs have errors,
4 a plugin failed, 5 a file has changed, is damaged or cannot be written, 6 busy, 130 stopped on
request (run it again to resume).)";

int exit_code(saffron::ErrorKind kind) {
  switch (kind) {
    case saffron::ErrorKind::recipe: return 3;
    case saffron::ErrorKind::plugin: return 4;
    case saffron::ErrorKind::data:
    case saffron::ErrorKind::io: return 5;
    case saffron::ErrorKind::busy: return 6;
    case saffron::ErrorKind::cancelled: return 130;
    case saffron::ErrorKind::invalid:
    case saffron::ErrorKind::numeric:
    case saffron::ErrorKind::internal: return 1;
  }
  return 1;
}

// As a shell takes it: a word with other characters than these stands in quotes.
std::string quoted(const std::string& word) {
  constexpr const char* kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:=,@%+";
  if (!word.empty() && word.find_first_not_of(kPlain) == word.npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::string joined(int argc, char** argv) {
  std::string text = "saffron";
  for (int i = 1; i < argc; ++i) text += " " + quoted(argv[i]);
  return text;
}

// CLI11 does not suggest: name the nearest subcommand.
std::string suggestion(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return {};
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands(nullptr)) {
    if (sub->get_name() == argv[1]) return {};
    if (!sub->get_name().empty() && sub->get_name()[0] != '_') names.push_back(sub->get_name());
  }
  return saffron::host::did_you_mean(argv[1], names);
}

// The nearest option of the subcommand to one that it does not have.
std::string option_suggestion(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands(nullptr)) {
    if (argc < 2 || sub->get_name() != argv[1]) continue;
    for (const CLI::Option* option : sub->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  for (int i = 2; i < argc; ++i) {
    const std::string word = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (!word.starts_with("--") || word.size() == 2) continue;
    if (std::find(names.begin(), names.end(), word) != names.end()) continue;
    return saffron::host::did_you_mean(word, names);
  }
  return {};
}

// A command line that was not understood: what is wrong with it, and the way out.
void print_usage_error(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const std::string first = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
  const std::function<bool(const CLI::App*)> named = [&](const CLI::App* sub) {
    return sub->get_name() == first;
  };
  const bool known = !app.get_subcommands(named).empty();
  const std::string what =
      first.empty() || known ? error.what() : saffron::cat("there is no command '", first, "'");
  std::string help = suggestion(app, argc, argv);
  if (help.empty()) help = option_suggestion(app, argc, argv);
  if (help.empty()) {
    help = saffron::cat("run `saffron ", known ? first + ' ' : "", "--help`");
  }
  std::cerr << "error: " << what << "\n  help: " << help << "\n";
}

// Parses the command line and obeys it.
int run(int argc, char** argv) {
  const saffron::host::ExitGuard guard(exit_code(saffron::ErrorKind::plugin));
  CLI::App app(kAbout);
  app.name("saffron");
  app.footer(kFooter);
  app.set_version_flag(
      "--version", std::string("saffron " SAFFRON_SDK_VERSION " (LibTorch " SAFFRON_TORCH_VERSION
                               ", CUDA " SAFFRON_TORCH_CUDA ")"));
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "help of every command");
  int code = 0;
  saffron::cli::add_recipe_commands(app, code, joined(argc, argv));
  saffron::cli::add_plugin_commands(app, code);
  saffron::cli::add_result_commands(app, code);
  saffron::cli::add_author_commands(app, code);
  saffron::cli::add_test_commands(app, code);

  const auto log = saffron::host::make_log("", false);
  saffron::set_log_sink(log.get());
  saffron::host::install_crash_handler({});
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    print_usage_error(app, error, argc, argv);
    return 2;
  } catch (const saffron::Error& error) {
    std::cerr << (error.kind() == saffron::ErrorKind::recipe ? "" : "error: ") << error.what()
              << "\n";
    code = exit_code(error.kind());
  } catch (const std::filesystem::filesystem_error& error) {
    std::cerr << "error: " << error.path1().string() << ": " << error.code().message() << "\n";
    code = exit_code(saffron::ErrorKind::io);
  } catch (const std::bad_alloc&) {
    std::cerr << kNoMemory;
    code = 1;
  } catch (const c10::Error& error) {
    const std::string_view what = error.what_without_backtrace();
    if (what.find("allocat") != what.npos) {
      std::cerr << kNoMemory;
    } else {
      std::cerr << "error: " << what << "\n";
    }
    code = 1;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    code = 1;
  }
  saffron::set_log_sink(nullptr);
  return code;
}

}  // namespace

// What a command says is buffered, by C's stdout alone: whether it could be written shows at the
// end.
int main(int argc, char** argv) {
  const int code = run(argc, argv);
  errno = 0;
  if (std::fflush(stdout) == 0 && std::cout) return code;
  // Where it was an earlier write that failed, another one says why.
  if (errno == 0) static_cast<void>(::write(STDOUT_FILENO, "\n", 1) == 1);
  const std::string why = errno == 0 ? "" : ": " + std::generic_category().message(errno);
  std::cerr << "error: cannot write to standard output" << why << "\n";
  return code == 0 ? exit_code(saffron::ErrorKind::io) : code;
}
