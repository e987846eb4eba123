#include <framework/report/document.h>

#include <cmath>

namespace saffron::host {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Value text_list(const std::vector<std::string>& texts) {
  Value out = Value::list();
  for (const std::string& text : texts) out.push(text);
  return out;
}

Value pair_list(const Pairs& pairs) {
  Value out = Value::list();
  for (const auto& [name, value] : pairs) out.push(Value::List{name, value});
  return out;
}

void set_text(Value& table, std::string_view key, const std::string& text) {
  if (!text.empty()) table.set(key, text);
}

Value run_value(const ReportDocument::Run& run) {
  Value out = Value::table();
  set_text(out, "name", run.name);
  set_text(out, "id", run.id);
  set_text(out, "status", run.status);
  set_text(out, "started", run.started);
  set_text(out, "finished", run.finished);
  if (std::isfinite(run.seconds)) out.set("seconds", run.seconds);
  set_text(out, "command", run.command);
  set_text(out, "saffron_version", run.saffron_version);
  return out;
}

Value figure_value(const ReportDocument::Figure& figure) {
  Value out = Value::table();
  out.set("label", figure.label);
  out.set("value", figure.value);
  set_text(out, "unit", figure.unit);
  set_text(out, "note", figure.note);
  return out;
}

Value section_value(const ReportDocument::Section& section) {
  const Value report = saffron::to_value(section.report);
  Value out = Value::table();
  out.set("id", section.id);
  out.set("title", section.title);
  out.set("kind", section.kind);
  out.set("node", section.node);
  out.set("metrics", report.at("metrics"));
  out.set("blocks", report.at("blocks"));
  return out;
}

[[noreturn]] void fail(const std::string& place, std::string_view wanted, const Value& found) {
  throw Error(ErrorKind::data,
              cat("a report's '", place, "' must be ", wanted, ", not ", found.type_name()));
}

// What is absent reads as empty: a later version may leave parts out.
std::string text_at(const Value& table, std::string_view key, const std::string& place) {
  const Value* value = table.find(key);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_string()) fail(cat(place, key), "a string", *value);
  return value->as_string();
}

const Value::List& list_at(const Value& table, std::string_view key, const std::string& place) {
  static const Value::List empty;
  const Value* value = table.find(key);
  if (value == nullptr || value->is_null()) return empty;
  if (!value->is_list()) fail(cat(place, key), "a list", *value);
  return value->as_list();
}

const Value& table_at(const Value& table, std::string_view key) {
  static const Value empty = Value::table();
  const Value* value = table.find(key);
  if (value == nullptr || value->is_null()) return empty;
  if (!value->is_table()) fail(std::string(key), "a table", *value);
  return *value;
}

const Value& table_item(const Value::List& list, std::size_t i, const std::string& place) {
  if (!list[i].is_table()) fail(cat(place, "[", i, "]"), "a table", list[i]);
  return list[i];
}

std::vector<std::string> texts_at(const Value& table, std::string_view key,
                                  const std::string& place) {
  std::vector<std::string> out;
  for (const Value& item : list_at(table, key, place)) {
    if (!item.is_string()) fail(cat(place, key, "[", out.size(), "]"), "a string", item);
    out.push_back(item.as_string());
  }
  return out;
}

Pairs pairs_at(const Value& table, std::string_view key, const std::string& place) {
  Pairs out;
  for (const Value& item : list_at(table, key, place)) {
    const bool pair = item.is_list() && item.as_list().size() == 2 &&
                      item.as_list()[0].is_string() && item.as_list()[1].is_string();
    if (!pair) fail(cat(place, key, "[", out.size(), "]"), "a list of two strings", item);
    out.emplace_back(item.as_list()[0].as_string(), item.as_list()[1].as_string());
  }
  return out;
}

ReportDocument::Run read_run(const Value& value) {
  ReportDocument::Run run;
  run.name = text_at(value, "name", "run.");
  run.id = text_at(value, "id", "run.");
  run.status = text_at(value, "status", "run.");
  run.started = text_at(value, "started", "run.");
  run.finished = text_at(value, "finished", "run.");
  run.command = text_at(value, "command", "run.");
  run.saffron_version = text_at(value, "saffron_version", "run.");
  const Value* seconds = value.find("seconds");
  if (seconds != nullptr && !seconds->is_null()) {
    if (!seconds->is_number()) fail("run.seconds", "a number", *seconds);
    run.seconds = seconds->as_real();
  }
  return run;
}

ReportDocument::Figure read_figure(const Value& value, const std::string& place) {
  const Value* shown = value.find("value");
  return {text_at(value, "label", place), shown == nullptr ? Value() : *shown,
          text_at(value, "unit", place), text_at(value, "note", place)};
}

ReportDocument::Section read_section(const Value& value, const std::string& place) {
  ReportDocument::Section section;
  section.id = text_at(value, "id", place);
  section.title = text_at(value, "title", place);
  section.kind = text_at(value, "kind", place);
  section.node = text_at(value, "node", place);
  try {
    section.report = report_from_value(value);
  } catch (Error& error) {
    error.within(cat("section '", section.id, "'"));
    throw;
  }
  return section;
}

void append_flat(const Value& value, const std::string& key, Pairs& out) {
  if (!value.is_table()) {
    out.emplace_back(key, to_toml(value));
    return;
  }
  for (const Value::Entry& entry : value.as_table()) {
    append_flat(entry.value, key.empty() ? entry.key : cat(key, ".", entry.key), out);
  }
}

}  // namespace

Value ReportDocument::to_value() const {
  Value out = Value::table();
  out.set("format", kReportFormat);
  out.set("run", run_value(run));
  out.set("headline", text_list(headline));
  Value& figure_list = out.set("figures", Value::list());
  for (const Figure& figure : figures) figure_list.push(figure_value(figure));
  out.set("notes", text_list(notes));
  Value& section_list = out.set("sections", Value::list());
  for (const Section& section : sections) section_list.push(section_value(section));
  Value& recipe_table = out.set("recipe", Value::table());
  recipe_table.set("given", recipe.given);
  recipe_table.set("resolved", recipe.resolved);
  recipe_table.set("extends", text_list(recipe.extends));
  recipe_table.set("overrides", text_list(recipe.overrides));
  recipe_table.set("values", pair_list(recipe.values));
  Value& groups = out.set("provenance", Value::table()).set("groups", Value::list());
  for (const Group& group : provenance) {
    Value& table = groups.push(Value::table());
    table.set("title", group.title);
    table.set("rows", pair_list(group.rows));
  }
  return out;
}

ReportDocument ReportDocument::from_value(const Value& value) {
  check_report_format(value);
  ReportDocument out;
  out.run = read_run(table_at(value, "run"));
  out.headline = texts_at(value, "headline", "");
  out.notes = texts_at(value, "notes", "");
  const Value::List& figure_list = list_at(value, "figures", "");
  for (std::size_t i = 0; i < figure_list.size(); ++i) {
    out.figures.push_back(
        read_figure(table_item(figure_list, i, "figures"), cat("figures[", i, "].")));
  }
  const Value::List& section_list = list_at(value, "sections", "");
  for (std::size_t i = 0; i < section_list.size(); ++i) {
    out.sections.push_back(
        read_section(table_item(section_list, i, "sections"), cat("sections[", i, "].")));
  }
  const Value& recipe_table = table_at(value, "recipe");
  out.recipe = {
      text_at(recipe_table, "given", "recipe."), text_at(recipe_table, "resolved", "recipe."),
      pairs_at(recipe_table, "values", "recipe."), texts_at(recipe_table, "extends", "recipe."),
      texts_at(recipe_table, "overrides", "recipe.")};
  const Value::List& groups = list_at(table_at(value, "provenance"), "groups", "provenance.");
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::string place = cat("provenance.groups[", i, "].");
    const Value& group = table_item(groups, i, "provenance.groups");
    out.provenance.push_back({text_at(group, "title", place), pairs_at(group, "rows", place)});
  }
  return out;
}

void check_report_format(const Value& value) {
  const Value* format = value.is_table() ? value.find("format") : nullptr;
  if (format != nullptr && format->is_string() && format->as_string() == kReportFormat) return;
  const std::string found = format != nullptr && format->is_string()
                                ? cat("its format is '", format->as_string(), "'")
                                : std::string("it names no format");
  throw Error(ErrorKind::data,
              cat("this is not a report that can be shown: ", found, ", not '", kReportFormat, "'"))
      .at(value.origin())
      .with_help("give the report.json of a run, or make it again with this version");
}

Pairs flat_values(const Value& table) {
  Pairs out;
  append_flat(table, "", out);
  return out;
}

}  // namespace saffron::host
