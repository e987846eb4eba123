#include "framework/recipe/settings.h"

#include "framework/recipe/kinds.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace saffron::host {
namespace {

namespace fs = std::filesystem;

// A run's default name: the file's, with what a folder's name should not have replaced.
std::string name_of_file(const std::string& path) {
  std::string name = fs::path(path).stem().string();
  for (char& c : name) {
    if (c != '.' && !is_plain_name(std::string_view(&c, 1), false)) c = '-';
  }
  name.resize(std::min(name.size(), kLongestRunName));
  while (name.starts_with('.')) name.erase(0, 1);
  return name.empty() ? "run" : name;
}

// Like `extends`, a plugin's path is relative to the file that names it.
std::string plugin_path(const Value& entry) {
  const fs::path path(entry.as_string());
  const bool from_file = entry.origin().line > 0;
  const fs::path base = from_file ? fs::path(entry.origin().source).parent_path() : fs::path();
  std::error_code code;
  const fs::path absolute = fs::absolute(path.is_absolute() ? path : base / path, code);
  return (code ? path : absolute).lexically_normal().string();
}

void check_format(const Value& root, Problems& problems) {
  const Value* format = root.find("saffron");
  if (format == nullptr) {
    problems.error(root.origin(), "saffron", "missing key",
                   "write saffron = 1 at the top: the format that the recipe is written in");
  } else if (format->is_int() && format->as_int() != kRecipeFormat) {
    problems.error(format->origin(), "saffron",
                   cat("the recipe is written in format ", format->as_int(),
                       "; this program reads format ", kRecipeFormat));
  }
}

void check_words(const Value& root, Problems& problems) {
  const Value* name = root.find("name");
  if (name != nullptr && name->is_string() &&
      (!is_plain_name(name->as_string(), true) || name->as_string().size() > kLongestRunName)) {
    problems.error(name->origin(), "name", cat("value ", to_toml(*name), " cannot name a folder"),
                   "letters, digits, '_', '-' and '.' are allowed, and no '.' in front");
  }
  const Value* device = root.find("device");
  if (device != nullptr && device->is_string() && !is_device(device->as_string())) {
    problems.error(device->origin(), "device",
                   cat("value ", to_toml(*device), " is outside {auto, cpu, cuda, cuda:0, ...}"),
                   device->as_string() == "gpu"
                       ? "did you mean 'cuda'?"
                       : did_you_mean(device->as_string(), {"auto", "cpu", "cuda"}));
  }
}

std::vector<std::string> setting_names() {
  std::vector<std::string> out;
  for (const ParamInfo& info : Settings::schema().params()) out.push_back(info.name);
  return out;
}

}  // namespace

bool is_plain_name(std::string_view name, bool dots) {
  return !name.empty() && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [dots](unsigned char c) {
           return std::isalnum(c) != 0 || c == '_' || c == '-' || (dots && c == '.');
         });
}

bool is_device(std::string_view text) {
  if (text == "auto" || text == "cpu" || text == "cuda") return true;
  if (!text.starts_with("cuda:")) return false;
  const std::string_view number = text.substr(5);
  return !number.empty() && number.size() <= 3 &&
         std::all_of(number.begin(), number.end(), [](unsigned char c) { return std::isdigit(c); });
}

std::vector<ParamInfo> setting_params() {
  std::vector<ParamInfo> out = Settings::schema().params();
  for (ParamInfo& info : out) {
    if (info.name == "saffron") {
      info.required = true;
      info.range = cat(kRecipeFormat);
    } else if (info.name == "name") {
      info.optional = true;
    } else {
      continue;
    }
    info.default_value.reset();
  }
  ParamInfo extends;
  extends.name = "extends";
  extends.doc = "another recipe that this one changes, relative to this file";
  extends.type = ParamType::path;
  extends.optional = true;
  out.push_back(std::move(extends));
  return out;
}

Schema<Settings> Settings::schema() {
  return Schema<Settings>{}
      .param("saffron", &Settings::saffron, "the recipe format", not_in_hash())
      .param("name", &Settings::name, "of the run's folder; the file's name when left out",
             not_in_hash())
      .param("seed", &Settings::seed, "of every random draw", non_negative())
      .param("device", &Settings::device, "auto, cpu, cuda or cuda:N")
      .param("threads", &Settings::threads, "on the CPU; 0 = all processors", between(0, 4096),
             not_in_hash())
      .param("dtype", &Settings::dtype, "of parameters", one_of({"float32", "float64"}))
      .param("plugins", &Settings::plugins,
             "plugin files or folders beside those installed, relative to the recipe",
             not_in_hash())
      .param("runs", &Settings::runs, "where runs are kept", not_empty(), not_in_hash())
      .param("cache", &Settings::cache, "where results are kept for reuse; \"\" = nowhere",
             not_in_hash());
}

DecodedSettings decode_settings_table(const Value& root, const Document& document,
                                      ComponentDecoder& decoder) {
  DecodedSettings out;
  Problems& problems = decoder.problems();
  check_format(root, problems);
  check_words(root, problems);
  std::vector<std::string> known = setting_names();
  Decoded decoded = decoder.own_keys(root, known, out.settings, "");
  for (const std::string& section : section_names()) known.push_back(section);
  decoder.only(root, known, "");
  out.resolved = std::move(decoded.resolved);
  if (out.settings.name.empty()) {
    out.settings.name = name_of_file(document.path);
    out.resolved.set("name", Value(out.settings.name).with_origin({"default"}));
  }
  out.settings.plugins.clear();
  if (Value* plugins = out.resolved.find("plugins")) {
    for (Value& entry : plugins->as_list()) {
      const Origin origin = entry.origin();
      out.settings.plugins.push_back(plugin_path(entry));
      entry = Value(out.settings.plugins.back()).with_origin(origin);
    }
  }
  return out;
}

}  // namespace saffron::host
