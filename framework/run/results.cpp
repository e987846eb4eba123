#include "framework/run/results.h"

#include "framework/loader/guard.h"
#include "framework/report/render.h"
#include "framework/run/prepare.h"

#include <saffron/format.h>
#include <saffron/io.h>

#include <c10/core/GradMode.h>

#include <algorithm>
#include <set>

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

std::string only_member(const Recipe& recipe, const std::string& wanted) {
  std::vector<std::string> names;
  for (const Member& member : recipe.members) names.push_back(member.name);
  if (wanted.empty() && names.size() == 1) return names.front();
  if (std::find(names.begin(), names.end(), wanted) != names.end()) return wanted;
  throw Error(wanted.empty() ? "the run has several SAEs; say which with --sae"
                             : cat("the run has no SAE '", wanted, "'"))
      .with_help("it has " + listed(names));
}

// Plugins that the run used and that are not found without it: those of its --plugin-path.
struct RunPlugins {
  std::vector<std::string> files;  // where they still are
  std::string gone;                // "org.example.hoyer from /home/me/libhoyer.so"; "" when none is
};

RunPlugins plugins_of(const fs::path& run, const std::vector<std::string>& plugin_path) {
  RunPlugins out;
  const fs::path file = run / "manifest.json";
  if (!fs::exists(file)) return out;
  SearchOptions options;
  options.plugin_path = plugin_path;
  std::set<std::string> known;
  for (const PluginFile& plugin : scan(options).plugins) known.insert(plugin.id);
  const Value manifest = from_json(read_text(file), file.string());
  const fs::path folder = manifest.at("folder").as_string();
  for (const Value::Entry& plugin : manifest.at("plugins").as_table()) {
    if (known.contains(plugin.key)) continue;
    const fs::path path = (folder / plugin.value.at("file").as_string()).lexically_normal();
    if (!fs::exists(path)) {
      out.gone += cat(out.gone.empty() ? "" : ", ", plugin.key, " from ", path.string());
    } else if (path.string().find(':') == std::string::npos) {  // else the recipe names it
      out.files.push_back(path.string());
    }
  }
  return out;
}

// The recipe of a run, with the plugins that it had.
Prepared prepare_again(RecipeRequest recipe, const ExportRequest& request) {
  const RunPlugins plugins = plugins_of(request.run, request.plugin_path);
  recipe.plugin_path = request.plugin_path;
  recipe.plugin_path.insert(recipe.plugin_path.end(), plugins.files.begin(), plugins.files.end());
  try {
    return Prepared(recipe);
  } catch (Error& error) {
    if (error.kind() != ErrorKind::recipe || plugins.gone.empty()) throw;
    throw error.with_help(cat("the run had ", plugins.gone,
                              ", which is not there any more; say with --plugin-path FOLDER where "
                              "it is"));
  }
}

void read_normalisations(const SafetensorsFile& file, const TrainedSae& sae, CanonicalSae& out) {
  if (file.find("input_mean") == nullptr) return;
  out.input_mean = file.tensor("input_mean").clone();
  out.input_scale = file.tensor("input_scale").clone();
  if (sae.predicts == sae.reads) return;
  out.output_mean = file.tensor("output_mean").clone();
  out.output_scale = file.tensor("output_scale").clone();
}

// "folder/" as "folder": formats put names beside it.
fs::path without_last_slash(const fs::path& folder) {
  return folder.has_filename() ? folder : folder.parent_path();
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
  if (!fs::exists(recipe.recipe)) {
    throw Error(ErrorKind::io, "is no run directory: it has no resolved.toml").within(request.run);
  }
  Prepared prepared = prepare_again(std::move(recipe), request);
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
    throw Error(cat("'", name, "' does not say how to export its weights"))
        .with_help("read its .safetensors in the run's saes/ folder");
  const Place sae_place("sae", name), format_place("format " + request.format);
  ComponentUse use;
  use.kind = "format";
  use.use = use.id = request.format;
  const auto format = prepared.objects().create<Format>(use, "export", 0);
  CanonicalSae canonical = guard(sae_place, [&] { return exportable->canonical(); });
  read_normalisations(stored, *trained, canonical);
  const fs::path output = without_last_slash(request.output);
  guard(format_place, [&] {
    try {
      format->write(*trained, canonical, output.string());
    } catch (const fs::filesystem_error& refusal) {  // which guard() would lay at the plugin's door
      throw Error(ErrorKind::io, cat("cannot write the folder: ", refusal.code().message()))
          .within(output.string())
          .with_help("name a folder in a place that you may write to");
    }
  });
  return output;
}

}  // namespace saffron::host
