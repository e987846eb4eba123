#include "framework/run/results.h"

#include "framework/loader/guard.h"
#include "framework/report/render.h"
#include "framework/run/prepare.h"

#include <saffron/format.h>
#include <saffron/io.h>

#include <c10/core/GradMode.h>

#include <algorithm>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

Value read_report(const std::string& run) {
  fs::path file = run;
  if (fs::is_directory(file)) file /= "report.json";
  if (!fs::exists(file)) {
    throw Error(ErrorKind::io, "there is no report.json here")
        .within(run)
        .with_help("name a directory below runs/ whose run is done");
  }
  return from_json(read_text(file), file.string());
}

std::int64_t size_of(const fs::path& path) {
  std::int64_t bytes = 0;
  if (fs::is_regular_file(path)) return static_cast<std::int64_t>(fs::file_size(path));
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += static_cast<std::int64_t>(entry.file_size());
  }
  return bytes;
}

std::string only_member(const Recipe& recipe, const std::string& wanted) {
  std::vector<std::string> names;
  for (const Member& member : recipe.members) names.push_back(member.name);
  if (wanted.empty() && names.size() == 1) return names.front();
  if (std::find(names.begin(), names.end(), wanted) != names.end()) return wanted;
  throw Error(wanted.empty() ? "the run has several SAEs; say which with --sae"
                             : cat("the run has no SAE '", wanted, "'"))
      .with_help("it has " + listed(names));
}

}  // namespace

fs::path write_report(const std::vector<std::string>& runs, const std::string& output) {
  std::vector<Value> documents;
  for (const std::string& run : runs) documents.push_back(read_report(run));
  fs::path file = output;
  if (output.empty()) {
    const fs::path only = runs.front();
    file = runs.size() > 1          ? fs::path("comparison.html")
           : fs::is_directory(only) ? only / "report.html"
                                    : only.parent_path() / "report.html";
  }
  write_file_atomic(file, render_html(documents));
  return file;
}

fs::path export_sae(const ExportRequest& request) {
  const c10::AutoGradMode no_grad(false);
  RecipeRequest recipe;
  recipe.recipe = (fs::path(request.run) / "resolved.toml").string();
  recipe.plugin_path = request.plugin_path;
  if (!fs::exists(recipe.recipe)) {
    throw Error(ErrorKind::io, "is no run directory: it has no resolved.toml").within(request.run);
  }
  Prepared prepared(recipe);
  const std::string name = only_member(prepared.recipe(), request.sae);
  const auto trained = prepared.objects().sae(name);
  const fs::path weights = fs::path(request.run) / "saes" / (name + ".safetensors");
  if (!fs::exists(weights)) {
    throw Error(ErrorKind::data, cat("'", name, "' is not trained yet")).within(request.run);
  }
  const SafetensorsFile stored = SafetensorsFile::open(weights);
  for (const ParameterSpec& parameter : trained->spec.parameters) {
    trained->parameters.set(parameter.name, stored.tensor(parameter.name).clone());
  }
  for (const BufferSpec& buffer : trained->spec.buffers) {
    trained->buffers.set(buffer.name, stored.tensor("buffer/" + buffer.name).clone());
  }
  trained->sae->bind(trained->parameters, trained->buffers);
  const auto* exportable = dynamic_cast<const Exportable*>(trained->sae.get());
  if (exportable == nullptr)
    throw Error(cat("'", name, "' does not say how to export its weights"));
  const Place sae_place("sae", name), format_place("format " + request.format);
  ComponentUse use;
  use.kind = "format";
  use.use = use.id = request.format;
  const auto format = prepared.objects().create<Format>(use, "export", 0);
  CanonicalSae canonical = guard(sae_place, [&] { return exportable->canonical(); });
  if (stored.find("input_mean") != nullptr) {
    canonical.input_mean = stored.tensor("input_mean").clone();
    canonical.input_scale = stored.tensor("input_scale").clone();
  }
  guard(format_place, [&] { format->write(*trained, canonical, request.output); });
  return request.output;
}

std::vector<Removable> removable(const fs::path& runs, const fs::path& cache, bool cache_too) {
  std::vector<Removable> found;
  if (fs::is_directory(runs)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(runs)) {
      if (entry.path().filename().string().find(".replaced-") != std::string::npos) {
        found.push_back({entry.path(), "replaced run", size_of(entry.path())});
      }
    }
  }
  if (fs::is_directory(cache)) {
    for (const fs::directory_entry& kind : fs::directory_iterator(cache)) {
      if (!kind.is_directory()) continue;
      for (const fs::directory_entry& entry : fs::directory_iterator(kind.path())) {
        if (entry.path().filename() == "latest") continue;  // the index of what was last asked for
        const bool partial =
            entry.path().filename().string().find(".partial-") != std::string::npos;
        if (partial || cache_too) {
          found.push_back({entry.path(), partial ? "unfinished cache entry" : "cached result",
                           size_of(entry.path())});
        }
      }
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Removable& a, const Removable& b) { return a.path < b.path; });
  return found;
}

}  // namespace saffron::host
