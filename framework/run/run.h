#pragma once

#include "framework/run/prepare.h"
#include "framework/run/progress.h"

#include <filesystem>
#include <string>

namespace saffron::host {

struct RunRequest : RecipeRequest {
  bool fresh = false;            // put an earlier run of this recipe aside and start over
  bool trust_revisions = false;  // a plugin's revision stands for its file's digest
  bool verbose = false;
  Progress::Style progress = Progress::Style::automatic;
  std::string command;  // as typed, for the manifest
};

struct RunResult {
  std::filesystem::path directory;
  bool already_done = false;  // nothing was left to do
  std::string changed_since;  // then: "other plugins: ..." where it was made by other code
};

// Runs the recipe, or resumes it, or says that it is done. Throws what stops it; the manifest then says
// failed or interrupted.
[[nodiscard]] RunResult run_recipe(const RunRequest& request);

// What `run` would do: the graph, shapes, parameters, memory, disk, and each node's cache state with
// the reason.
[[nodiscard]] std::string plan_text(const RunRequest& request);

}  // namespace saffron::host
