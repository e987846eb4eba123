#include "framework/loader/catalog.h"

#include "framework/loader/abi_rows.h"
#include "framework/loader/load.h"
#include "framework/recipe/kinds.h"

#include <algorithm>
#include <map>
#include <set>

namespace saffron::host {
namespace {

constexpr std::size_t kMostNames = 12, kMostRejected = 8;

std::string joined(const std::set<std::string>& words) {
  std::string out;
  std::size_t shown = 0;
  for (const std::string& word : words) {
    if (shown == kMostNames) return cat(out, ", ... (", words.size(), " in all)");
    out += cat(shown++ == 0 ? "" : ", ", word);
  }
  return out;
}

const PluginFile::Component* component_of(const PluginFile& file, std::string_view kind,
                                          std::string_view name) {
  for (const auto& component : file.components) {
    if (component.kind == kind && component.name == name) return &component;
  }
  return nullptr;
}

// "org.example.hoyer::hoyer" -> {"org.example.hoyer", "hoyer"}; "hoyer" -> {"", "hoyer"}.
std::pair<std::string_view, std::string_view> split_use(std::string_view use) {
  const std::size_t split = use.find("::");
  if (split == std::string_view::npos) return {{}, use};
  return {use.substr(0, split), use.substr(split + 2)};
}

}  // namespace

Catalog::Catalog(Scan scan) : scan_(std::move(scan)) {
  std::map<std::string_view, const PluginFile*> by_id;
  for (const PluginFile& file : scan_.plugins) {
    const auto [known, is_new] = by_id.emplace(file.id, &file);
    if (is_new) {
      plugins_.push_back(&file);
      continue;
    }
    const PluginFile& used = *known->second;
    notes_.push_back(cat("plugin '", file.id, "' was found twice: ", used.path.string(), " (",
                         used.version, ") is used, because it comes first in the search order; ",
                         file.path.string(), " (", file.version, ") is not"));
  }
}

std::vector<Catalog::Entry> Catalog::matches(std::string_view kind, std::string_view use) const {
  const auto [id, name] = split_use(use);
  std::vector<Entry> found;
  for (const PluginFile* file : plugins_) {
    if (!id.empty() && file->id != id) continue;
    if (const auto* component = component_of(*file, kind, name)) found.push_back({file, component});
  }
  return found;
}

Catalog::Entry Catalog::find(std::string_view kind, std::string_view use) const {
  const auto [id, name] = split_use(use);
  const std::vector<Entry> found = matches(kind, use);
  if (found.empty()) throw unknown(kind, id, name);
  if (found.size() > 1) {
    std::string files, ways;
    for (const Entry& entry : found) {
      files += cat("\n  ", entry.file->path.string(), "  (", entry.file->id, ' ',
                   entry.file->version, ')');
      ways += cat(ways.empty() ? "" : " or ", "use = \"", entry.file->id, "::", name, '"');
    }
    throw Error(cat("several plugins have ", with_article(kind), " named '", name, "':", files))
        .with_help(cat("say which: ", ways));
  }
  check_tag(*found[0].file);
  return found[0];
}

Component Catalog::load(const Entry& entry) const {
  const LoadedPlugin& plugin = load_plugin(*entry.file);
  for (const saffron_component& row : components_of(*plugin.descriptor)) {
    if (entry.component->kind == row.kind && entry.component->name == row.name) {
      return {plugin, row};
    }
  }
  throw Error(ErrorKind::internal, cat("plugin '", entry.file->id, "' lost its component '",
                                       entry.component->name, "' while it was loaded"));
}

std::vector<Catalog::Entry> Catalog::list(std::string_view kind) const {
  std::vector<Entry> out;
  for (const PluginFile* file : plugins_) {
    for (const auto& component : file->components) {
      if (kind.empty() || component.kind == kind) out.push_back({file, &component});
    }
  }
  std::sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.component->kind, a.component->name, a.file->id) <
           std::tie(b.component->kind, b.component->name, b.file->id);
  });
  return out;
}

std::vector<Error> Catalog::problems() const {
  std::vector<Error> out;
  for (const Rejected& rejected : scan_.rejected) {
    if (rejected.required) out.push_back(rejected.error);
  }
  return out;
}

std::string Catalog::suggestion(std::string_view kind, std::string_view id,
                                std::string_view name) const {
  std::vector<std::string> names, ids;
  std::string others;
  bool known_id = id.empty();
  for (const PluginFile* file : plugins_) {
    ids.push_back(file->id);
    known_id = known_id || file->id == id;
    for (const auto& component : file->components) {
      if (component.kind == kind) names.push_back(component.name);
      if (component.kind != kind && component.name == name) {
        others = cat("'", name, "' is ", with_article(component.kind), " of plugin '", file->id,
                     "', not ", with_article(kind), "; ");
      }
    }
  }
  if (!known_id) {
    const std::string near = nearest(id, ids.data(), ids.size());
    return cat("no plugin with id '", id, "' was found",
               near.empty() ? "" : cat("; did you mean '", near, "'?"));
  }
  if (!id.empty() && std::find(names.begin(), names.end(), name) != names.end()) {
    return cat("another plugin has it: write use = \"", name, "\"");
  }
  const std::string near = nearest(name, names.data(), names.size());
  return others + (near.empty() ? "" : cat("did you mean '", near, "'?"));
}

std::string Catalog::where_searched() const {
  std::string out;
  for (const SearchPlace& place : scan_.places) {
    out += cat("\n        searched   ", place.path.string(), "  (", place.reason, ')');
  }
  const std::size_t shown = std::min(scan_.rejected.size(), kMostRejected);
  for (std::size_t i = 0; i < shown; ++i) {
    const Rejected& rejected = scan_.rejected[i];
    const std::string& message = rejected.error.message();
    out += cat("\n        not taken  ", rejected.path.string(), ": ",
               message.substr(0, message.find('\n')));
  }
  if (shown < scan_.rejected.size()) {
    out += cat("\n        not taken  ", scan_.rejected.size() - shown,
               " more: `saffron plugins` lists them");
  }
  return out;
}

Error Catalog::unknown(std::string_view kind, std::string_view id, std::string_view name) const {
  if (find_kind(kind) == nullptr) {
    return Error(cat("there is no kind of component '", kind, "'", nearest_kind(kind)));
  }
  std::string help = suggestion(kind, id, name);
  std::set<std::string> names;
  for (const Entry& entry : list(kind)) names.insert(entry.component->name);
  const std::string all = names.empty() ? cat("no ", kind, " was found at all")
                                        : cat(kind, " names found: ", joined(names));
  help += cat(help.empty() ? "" : "\n        ", all, where_searched());
  // A copy that comes later in the search order may have what the first one lacks.
  for (const PluginFile& file : scan_.plugins) {
    const bool hidden = std::find(plugins_.begin(), plugins_.end(), &file) == plugins_.end();
    if (hidden && (id.empty() || file.id == id) && component_of(file, kind, name) != nullptr) {
      help += cat("\n        hidden     ", file.path.string(),
                  " has it, but another file of "
                  "plugin '",
                  file.id, "' comes first in the search order");
    }
  }
  return Error(cat("no ", kind, " is named '", name, "'",
                   id.empty() ? "" : cat(" in plugin '", id, "'")))
      .with_help(help);
}

}  // namespace saffron::host
