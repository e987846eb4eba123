#include "framework/cli/commands.h"

#include "framework/recipe/resolve.h"
#include "framework/run/run.h"

#include <iostream>
#include <memory>

namespace saffron::cli {
namespace {

using host::RunRequest;

void add_recipe_options(CLI::App* command, RunRequest& request) {
  command->add_option("recipe", request.recipe, "the recipe, a TOML file")->required();
  command
      ->add_option("--set", request.sets,
                   "PATH=VALUE: change one value, e.g. --set sae.student.k=64; may be repeated")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  command
      ->add_option("--plugin-path", request.plugin_path,
                   "a plugin file, or a folder of plugins; may be repeated")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
}

void add_run_options(CLI::App* command, RunRequest& request) {
  command->add_option("--runs", request.runs, "where run directories go, instead of the recipe's");
  command->add_option("--cache", request.cache,
                      "where results are kept, instead of the recipe's; \"\" keeps none");
  command->add_flag("--trust-revisions", request.trust_revisions,
                    "a plugin that was rebuilt with the same revision gives the same results");
}

}  // namespace

void add_recipe_commands(CLI::App& app, int& code, const std::string& command_line) {
  auto request = std::make_shared<RunRequest>();
  request->command = command_line;

  auto* check =
      app.add_subcommand("check", "Say everything that is wrong with a recipe; run nothing");
  add_recipe_options(check, *request);
  check->callback([request] {
    host::Prepared prepared(*request);
    prepared.check();
    std::cout << request->recipe << ": no errors (" << prepared.recipe().nodes.size() << " nodes, "
              << prepared.recipe().members.size() << " SAEs)\n";
  });

  auto* plan = app.add_subcommand(
      "plan", "Print what `run` would do: shapes, parameters, memory, disk, and what is cached");
  add_recipe_options(plan, *request);
  add_run_options(plan, *request);
  plan->callback([request] { std::cout << host::plan_text(*request); });

  auto* run = app.add_subcommand("run", "Run a recipe, or resume it where it was stopped");
  add_recipe_options(run, *request);
  add_run_options(run, *request);
  run->add_flag("--fresh", request->fresh,
                "put an earlier run of this recipe aside and start over");
  run->add_flag("-v,--verbose", request->verbose, "show information messages too");
  auto quiet = std::make_shared<bool>(false);
  run->add_flag("-q,--quiet", *quiet, "show no progress");
  run->callback([request, quiet, &code] {
    if (*quiet) request->progress = host::Progress::Style::silent;
    host::catch_interrupts("\nstopping where it can go on again; once more ends it at once\n");
    const host::RunResult result = host::run_recipe(*request);
    if (result.already_done) {
      std::cerr << "This run is done already; --fresh starts over.\n";
      if (!result.changed_since.empty()) {
        std::cerr << "It was made with " << result.changed_since << ".\n";
      }
    }
    std::cout << "report: " << (result.directory / "report.html").string() << "\n";
    code = 0;
  });

  auto* resolve = app.add_subcommand(
      "resolve", "Print the flattened recipe, each value with where it came from");
  add_recipe_options(resolve, *request);
  resolve->callback([request] {
    const host::Prepared prepared(*request);
    std::cout << host::resolved_text(prepared.recipe());
  });
}

}  // namespace saffron::cli
