#include "framework/loader/describe.h"

#include "framework/recipe/kinds.h"

#include <algorithm>
#include <array>
#include <map>

// The texts of describe.h.

namespace saffron::host {
namespace {

constexpr std::size_t kColumns = 5;
constexpr std::size_t kWidestColumn = 40;
using Row = std::array<std::string, kColumns>;

std::string get(const Value& table, std::string_view key) {
  const Value* value = table.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

bool is_true(const Value& table, std::string_view key) {
  const Value* value = table.find(key);
  return value != nullptr && value->is_bool() && value->as_bool();
}

const Value::List& list_of(const Value& table, std::string_view key) {
  static const Value::List empty;
  const Value* value = table.find(key);
  return value != nullptr && value->is_list() ? value->as_list() : empty;
}

// Width in characters: UTF-8 continuation bytes take no column.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t used = width_of(text);
  return text + std::string(width > used ? width - used : 0, ' ');
}

std::string default_text(const Value& param) {
  if (is_true(param, "required")) return "required";
  const Value* value = param.find("default");
  return value == nullptr ? "-" : to_toml(*value);
}

std::string range_text(const Value& param) {
  std::string out = get(param, "range");
  for (const Value& word : list_of(param, "choices")) {
    out += cat(out.empty() ? "" : " | ", word.as_string());
  }
  const std::string unit = get(param, "unit");
  if (!unit.empty()) out += cat(out.empty() ? "" : " ", '[', unit, ']');
  return out;
}

std::string meaning_text(const Value& param) {
  std::string out = get(param, "doc");
  const std::string former = get(param, "formerly");
  if (!former.empty()) out += cat(" (formerly '", former, "')");
  return out;
}

void add_rows(const Value::List& params, const std::string& outer, std::vector<Row>& rows) {
  for (const Value& param : params) {
    if (is_true(param, "hidden")) continue;
    const std::string name = outer + get(param, "name");
    const auto& fields = list_of(param, "fields");
    rows.push_back({name, get(param, "type"), fields.empty() ? default_text(param) : "",
                    range_text(param), meaning_text(param)});
    add_rows(fields, name + '.', rows);
  }
}

std::string table_text(const std::vector<Row>& rows) {
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t c = 0; c + 1 < kColumns; ++c) {
      widths[c] = std::max(widths[c], std::min(width_of(row[c]), kWidestColumn));
    }
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line = "  ";
    for (std::size_t c = 0; c + 1 < kColumns; ++c) line += padded(row[c], widths[c]) + "  ";
    line += row[kColumns - 1];
    line.resize(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string params_text(const Value& description) {
  std::vector<Row> rows{{"parameter", "type", "default", "range", "meaning"}};
  add_rows(list_of(description, "params"), "", rows);
  std::string out = rows.size() == 1 ? std::string("  no parameters\n") : table_text(rows);
  const auto& keys = list_of(description, "keys");
  if (keys.empty()) return out;
  rows = {{"key", "type", "default", "range", "meaning"}};
  add_rows(keys, "", rows);
  return cat(out, "\n  beside them, every ", get(description, "kind"), " has\n", table_text(rows));
}

std::string flags_text(const Value& description) {
  std::string out = is_true(description, "deterministic") ? "[deterministic]"
                                                          : "[not deterministic: never cached]";
  if (is_true(description, "needs_cuda")) out += " [needs CUDA]";
  if (is_true(description, "graph_safe")) out += " [graph-safe]";
  return out;
}

// The least that a recipe must say: `use`, where there is a component, and what is required.
std::string example_text(const Value& description) {
  const std::string table = get(description, "table");
  const std::string name = get(description, "name");
  if (table.empty()) return cat("{ use = \"", name, "\" }");
  std::string out = name.empty() ? table : cat(table, "  use = \"", name, '"');
  for (const char* list : {"params", "keys"}) {
    for (const Value& param : list_of(description, list)) {
      if (is_true(param, "required")) out += cat("  ", get(param, "name"), " = ...");
    }
  }
  return out;
}

}  // namespace

std::string component_text(const Value& description) {
  const Value* revision = description.find("revision");
  std::string out = cat(get(description, "name"), "  (", get(description, "kind"), ")   from ",
                        get(description, "plugin"), ' ', get(description, "version"), "   ",
                        get(description, "interface"), "   revision ",
                        revision == nullptr ? "?" : to_toml(*revision), '\n');
  out += cat("  ", get(description, "summary"), "   ", flags_text(description), '\n');
  for (const char* key : {"doc", "citation"}) {
    const std::string paragraph = get(description, key);
    if (!paragraph.empty()) out += cat("  ", paragraph, '\n');
  }
  out += '\n' + params_text(description);
  out += cat("\n  recipe:     ", example_text(description), '\n');
  const Value* tag = description.find("tag");
  out += cat("  file:       ", get(description, "file"), "   sha256 ",
             get(description, "sha256").substr(0, 12), "   torch ",
             tag == nullptr ? "?" : get(*tag, "torch"), '\n');
  if (const Value* construct = description.find("construct")) {
    out += cat("  construct:  ", get(*construct, "message"), '\n');
  }
  return out;
}

std::string train_text(const Value& description) {
  const Row header{"key", "type", "default", "range", "meaning"};
  std::vector<Row> keys{header}, regularizer_keys{header};
  add_rows(list_of(description, "keys"), "", keys);
  add_rows(list_of(description, "regularizer_keys"), "", regularizer_keys);
  return cat(get(description, "section"), "  (no component: a table of the recipe)\n  ",
             get(description, "summary"), "\n\n", table_text(keys), "\n  every ",
             get(description, "regularizer_table"), " has beside its component's parameters\n",
             table_text(regularizer_keys), "\n  recipe:     ", example_text(description), '\n');
}

namespace {

struct Listed {
  std::string name, summary, plugin;
};

std::string components_text(const Value& listing) {
  std::map<std::string, std::vector<Listed>> by_kind;
  std::size_t count = 0, name_width = 0, summary_width = 0;
  for (const Value& plugin : list_of(listing, "plugins")) {
    if (plugin.find("problem") != nullptr) continue;
    for (const Value& row : list_of(plugin, "components")) {
      Listed listed{get(row, "name"), get(row, "summary"),
                    cat(get(plugin, "id"), ' ', get(plugin, "version"))};
      name_width = std::max(name_width, width_of(listed.name));
      summary_width = std::max(summary_width, width_of(listed.summary));
      by_kind[get(row, "kind")].push_back(std::move(listed));
      ++count;
    }
  }
  std::string out;
  for (auto& [kind, rows] : by_kind) {
    std::sort(rows.begin(), rows.end(),
              [](const Listed& a, const Listed& b) { return a.name < b.name; });
    const Kind* info = find_kind(kind);
    out += cat(kind, info == nullptr ? "" : cat(": ", info->meaning), '\n');
    for (const Listed& row : rows) {
      out += cat("  ", padded(row.name, name_width), "  ");
      if (summary_width > 0) out += padded(row.summary, summary_width) + "  ";
      out += row.plugin + '\n';
    }
    out += '\n';
  }
  return cat(out, count, count == 1 ? " component" : " components", " in ",
             list_of(listing, "plugins").size(), " plugins\n");
}

}  // namespace

std::string catalog_text(const Value& listing) {
  std::string out = components_text(listing) + "\nsearched\n";
  for (const Value& place : list_of(listing, "places")) {
    out += cat("  ", get(place, "path"), "  (", get(place, "reason"),
               is_true(place, "exists") ? "" : "; not there", ")\n");
  }
  out += "\nfiles\n";
  for (const Value& plugin : list_of(listing, "plugins")) {
    const std::string problem = get(plugin, "problem");
    out += problem.empty()
               ? cat("  taken      ", get(plugin, "file"), "  ", get(plugin, "id"), ' ',
                     get(plugin, "version"), '\n')
               : cat("  refused    ", get(plugin, "file"), '\n', "             ", problem, '\n');
  }
  for (const Value& file : list_of(listing, "rejected")) {
    out += cat("  not taken  ", get(file, "file"), "  ", get(file, "problem"), '\n');
  }
  for (const Value& note : list_of(listing, "notes")) {
    out += cat("  note       ", note.as_string(), '\n');
  }
  return out;
}

}  // namespace saffron::host
