#include "framework/loader/describe.h"
#include "framework/loader/text_table.h"

#include <algorithm>
#include <map>

// The texts of describe.h.

namespace saffron::host {
namespace {

// The lines below "recipe:" or, of a kind that no recipe names, "command:".
std::string usage_text(const Value& description) {
  const std::string command = text_at(description, "command");
  if (command.empty()) return labelled("recipe", snippet(description));
  return labelled("command", {cat(command, ' ', text_at(description, "use"))});
}

std::string params_text(const Value& description) {
  const Value::List& params = list_at(description, "params");
  const Value::List& keys = list_at(description, "keys");
  std::string out =
      params.empty() ? std::string("  no parameters\n") : param_table("parameter", params);
  if (keys.empty()) return out;
  return cat(out, "\n  beside them, every ", text_at(description, "kind"), " has\n",
             param_table("key", keys));
}

}  // namespace

std::string component_text(const Value& description) {
  const Value* revision = description.find("revision");
  std::string out = cat(text_at(description, "name"), "  (", text_at(description, "kind"),
                        ")   from ", text_at(description, "plugin"), ' ',
                        text_at(description, "version"), "   ", text_at(description, "interface"),
                        "   revision ", revision == nullptr ? "?" : to_toml(*revision), '\n');
  out += cat("  ", text_at(description, "summary"), "   ", flags_text(description), '\n');
  for (const char* key : {"doc", "citation"}) {
    const std::string paragraph = text_at(description, key);
    if (!paragraph.empty()) out += cat("  ", paragraph, '\n');
  }
  const Value* tag = description.find("tag");
  out += cat('\n', params_text(description), '\n', usage_text(description));
  out += labelled("file", {cat(text_at(description, "file"), "   sha256 ",
                               text_at(description, "sha256").substr(0, 12), "   torch ",
                               tag == nullptr ? "?" : text_at(*tag, "torch"))});
  if (const Value* construct = description.find("construct")) {
    out += labelled("construct", {text_at(*construct, "message")});
  }
  return out;
}

std::string section_text(const Value& description) {
  const std::string inner = text_at(description, "regularizer_table");
  std::string out =
      cat(text_at(description, "section"), "  (no component: ", inner.empty() ? "keys" : "a table",
          " of the recipe)\n  ", text_at(description, "summary"), "\n\n",
          param_table("key", list_at(description, "keys")));
  if (!inner.empty()) {
    out += cat("\n  every ", inner, " has beside its component's parameters\n",
               param_table("key", list_at(description, "regularizer_keys")));
  }
  return cat(out, '\n', labelled("recipe", snippet(description)));
}

namespace {

std::string components_text(const Value& listing) {
  std::map<std::string, std::vector<std::vector<std::string>>> by_kind;
  std::size_t count = 0;
  for (const Value& plugin : list_at(listing, "plugins")) {
    if (plugin.find("problem") != nullptr) continue;
    for (const Value& row : list_at(plugin, "components")) {
      by_kind[text_at(row, "kind")].push_back(
          {text_at(row, "name"), cat(text_at(plugin, "id"), ' ', text_at(plugin, "version")),
           text_at(row, "summary")});
      ++count;
    }
  }
  // All kinds in one table, so that their columns stand under one another.
  std::vector<std::vector<std::string>> rows;
  for (auto& [kind, components] : by_kind) {
    std::sort(components.begin(), components.end());
    rows.insert(rows.end(), components.begin(), components.end());
  }
  const std::string lines = text_table(rows);
  std::string out;
  std::size_t at = 0;
  for (const auto& [kind, components] : by_kind) {
    const Kind* info = find_kind(kind);
    out += cat(kind, info == nullptr ? "" : cat(": ", info->meaning), '\n');
    for (std::size_t i = 0; i < components.size(); ++i) {
      const std::size_t end = lines.find('\n', at) + 1;
      out += lines.substr(at, end - at);
      at = end;
    }
    out += '\n';
  }
  return cat(out, counted(count, "component"), " in ",
             counted(list_at(listing, "plugins").size(), "plugin"), '\n');
}

}  // namespace

std::string catalog_text(const Value& listing) {
  std::string out = components_text(listing) + "\nsearched\n";
  for (const Value& place : list_at(listing, "places")) {
    out += cat("  ", text_at(place, "path"), "  (", text_at(place, "reason"),
               flag_at(place, "exists") ? "" : "; not there", ")\n");
  }
  out += "\nfiles\n";
  for (const Value& plugin : list_at(listing, "plugins")) {
    const std::string problem = text_at(plugin, "problem");
    out += problem.empty()
               ? cat("  taken      ", text_at(plugin, "file"), "  ", text_at(plugin, "id"), ' ',
                     text_at(plugin, "version"), '\n')
               : cat("  refused    ", text_at(plugin, "file"), "\n             ", problem, '\n');
  }
  for (const Value& file : list_at(listing, "rejected")) {
    out += cat("  not taken  ", text_at(file, "file"), "  ", text_at(file, "problem"), '\n');
  }
  for (const Value& note : list_at(listing, "notes")) {
    out += cat("  note       ", note.as_string(), '\n');
  }
  return out;
}

}  // namespace saffron::host
