#include "framework/run/report_builder.h"

#include "framework/recipe/resolve.h"
#include "framework/report/document.h"
#include "framework/run/metrics_log.h"
#include "framework/run/progress.h"

#include <saffron/io.h>
#include <saffron/report.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <iomanip>
#include <map>
#include <sstream>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

// Between two times as now_text writes them.
double seconds_between(const std::string& from, const std::string& to) {
  const auto time = [](const std::string& text) {
    std::tm utc{};
    std::istringstream(text) >> std::get_time(&utc, "%Y-%m-%dT%H:%M:%SZ");
    return ::timegm(&utc);
  };
  return std::difftime(time(to), time(from));
}

struct Curve {
  const char *key, *title, *caption, *label;
  bool log;
};

constexpr Curve kCurves[] = {
    {"loss", "Loss", "Training loss of each SAE with its own terms and penalties.", "loss", true},
    {"fvu", "FVU in training", "Fraction of variance unexplained of the batch at each report.",
     "FVU", true},
    {"l0", "L0 in training", "Mean number of active latents a row.", "L0", false},
    {"dead", "Latents that did not fire",
     "Share of latents that fired in no row since the previous report.", "share", false}};

// Each penalty's coefficient as written, and by the one convention that compares recipes.
void add_coefficient_table(const NodeSpec& node, const Value& training, Report& report) {
  const Value* of_node = training.find(node.path());
  if (of_node == nullptr) return;
  TableBlock table;
  table.columns = {{.name = "SAE", .unit = "", .doc = ""},
                   {.name = "penalty", .unit = "", .doc = ""},
                   {.name = "coef", .unit = "", .doc = "as the recipe writes it"},
                   {.name = "canonical",
                    .unit = "",
                    .doc = "multiplies the sum of |f| over a row beside a squared error summed "
                           "over the dimensions, rows averaged"}};
  for (const Value::Entry& sae : of_node->as_table()) {
    const Value* coefficients = sae.value.find("coefficients");
    if (coefficients == nullptr) continue;
    for (const Value::Entry& penalty : coefficients->as_table()) {
      table.rows.push_back({Value(sae.key), Value(penalty.key), penalty.value.at("coef"),
                            penalty.value.at("canonical")});
    }
  }
  if (table.rows.empty()) return;
  report.blocks.push_back(
      {.title = "Penalties", .caption = "Coefficients at full strength.", .body = table});
}

ReportDocument::Section training_section(const NodeSpec& node, const Value& training,
                                         const fs::path& metrics) {
  ReportDocument::Section section{.id = "train-" + node.name,
                                  .title = "Training " + node.name,
                                  .kind = "train",
                                  .node = node.path(),
                                  .report = {}};
  std::map<std::string, std::vector<Value>> records;
  std::vector<std::string> order;
  for (const Value& record : read_metrics(metrics)) {
    if (!(record.at("node") == Value(node.path()))) continue;
    const std::string& sae = record.at("sae").as_string();
    if (records.find(sae) == records.end()) order.push_back(sae);
    records[sae].push_back(record);
  }
  for (const Curve& curve : kCurves) {
    SeriesBlock body;
    body.x_label = "rows";
    body.y_label = curve.label;
    body.log_y = curve.log;
    for (const std::string& sae : order) {
      SeriesBlock::Line line{.name = sae, .x = {}, .y = {}};
      for (const Value& record : records[sae]) {
        line.x.push_back(record.at("rows").as_real());
        const Value& y = record.at(curve.key);  // null: undefined, such as FVU of constant rows
        line.y.push_back(y.is_null() ? std::nan("") : y.as_real());
      }
      body.lines.push_back(std::move(line));
    }
    if (body.lines.empty()) continue;
    section.report.blocks.push_back(
        {.title = curve.title, .caption = curve.caption, .body = std::move(body)});
  }
  add_coefficient_table(node, training, section.report);
  return section;
}

std::vector<std::pair<std::string, std::string>> text_rows(const Value& table) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Value::Entry& entry : table.as_table()) {
    rows.emplace_back(entry.key,
                      entry.value.is_string() ? entry.value.as_string() : to_toml(entry.value));
  }
  return rows;
}

void add_provenance(ReportDocument& document, Prepared& prepared, const Value& manifest) {
  document.provenance.push_back({"Environment", text_rows(manifest.at("environment"))});
  ReportDocument::Group plugins{"Plugins", {}};
  for (const Value::Entry& entry : manifest.at("plugins").as_table()) {
    plugins.rows.emplace_back(cat(entry.key, " ", entry.value.at("version").as_string()),
                              "sha256 " + entry.value.at("sha256").as_string());
  }
  document.provenance.push_back(std::move(plugins));
  ReportDocument::Group inputs{"Inputs", {}};
  for (const Value::Entry& entry : manifest.at("inputs").as_table()) {
    inputs.rows.emplace_back(entry.key, "sha256 " + entry.value.as_string());
  }
  document.provenance.push_back(std::move(inputs));
  ReportDocument::Group run{"Run", {}};
  run.rows = {{"recipe hash", manifest.at("recipe_hash").as_string()},
              {"seed", std::to_string(manifest.at("seed").as_int())},
              {"folder", manifest.at("folder").as_string()}};
  for (const Value& resumed : manifest.at("resumed").as_list()) {
    const std::string& change = resumed.at("difference").as_string();
    run.rows.emplace_back("resumed " + resumed.at("at").as_string(),
                          change.empty() ? "same environment" : "another environment: " + change);
  }
  for (const Value& cached : manifest.at("cached").as_list()) {
    const std::string& result = cached.at("result").as_string();
    const std::string& change = cached.at("difference").as_string();
    run.rows.emplace_back(
        result, cat("from the cache, made in ",
                    change.empty() ? "the same environment" : "another environment: " + change));
    if (change.empty()) continue;
    document.notes.push_back(cat(result,
                                 " comes from the cache and was made in another environment (",
                                 change, "): its last digits may differ from those made here."));
  }
  document.provenance.push_back(std::move(run));
  for (const NodeSpec* node : prepared.recipe().section("model")) {
    const auto model = std::static_pointer_cast<Model>(prepared.objects().node(*node));
    const ModelInfo& info = model->info();
    ReportDocument::Group group{"Model " + node->name, {}};
    group.rows = {{"name", info.name},
                  {"architecture", info.architecture},
                  {"layers", std::to_string(info.layers)},
                  {"width", std::to_string(info.width)},
                  {"parameters", std::to_string(info.parameters)},
                  {"weights", info.weights.empty() ? "as stored" : info.weights}};
    document.provenance.push_back(std::move(group));
    if (!info.weights.empty()) {
      document.notes.push_back(cat("The weights of ", info.name, " are ", info.weights,
                                   ". Every figure here is about these weights, not about the "
                                   "unquantised model."));
    }
  }
}

// "a, b and c"; of many the first, the last and how many there are.
std::string enumeration(const std::vector<std::string>& names, const char* noun) {
  constexpr std::size_t kMost = 4;
  if (names.empty()) return cat("no ", noun);
  if (names.size() > kMost) {
    return cat(names.size(), " ", noun, " from ", names.front(), " to ", names.back());
  }
  std::string out = names[0];
  for (std::size_t i = 1; i < names.size(); ++i) {
    out += cat(i + 1 < names.size() ? ", " : " and ", names[i]);
  }
  return out;
}

// "'text' (text, t/*.txt)": the node, its component and the files that it reads.
std::string node_phrase(const NodeSpec& node) {
  std::string out = cat("'", node.name, "' (", node.component.use);
  const std::vector<std::string>& files = node.component.hashed_files;
  if (!files.empty()) out += cat(": ", enumeration(files, "files"));
  return out + ")";
}

// What a source's rows are: its streams, and the models and datasets that it refers to.
std::string source_sentence(Objects& objects, const Recipe& recipe, const NodeSpec& source) {
  std::vector<std::string> streams, models, datasets;
  for (const StreamInfo& stream : objects.source(source.name)->streams()) {
    streams.push_back(cat(stream.name, " [", stream.width, "]"));
  }
  for (const Decoded::Reference& reference : source.references) {
    const NodeSpec* node = recipe.find(reference.kind, reference.node);
    if (node == nullptr) continue;
    if (reference.kind == Model::kKind) {
      models.push_back(std::static_pointer_cast<Model>(objects.node(*node))->info().name);
    } else if (reference.kind == Dataset::kKind) {
      datasets.push_back(node_phrase(*node));
    }
  }
  std::string out = cat("The source ", node_phrase(source), " gives ");
  out += enumeration(streams, "streams");
  if (!models.empty()) out += cat(" of ", enumeration(models, "models"));
  if (!datasets.empty()) out += cat(" on ", enumeration(datasets, "datasets"));
  return out + ".";
}

// In the recipe's order, each once.
std::vector<std::pair<std::string, std::vector<std::string>>> comparators_by_world(
    const Recipe& recipe) {
  std::vector<std::pair<std::string, std::vector<std::string>>> out;
  for (const NodeSpec* node : recipe.section("compare")) {
    const std::string& world = node->compare().world;
    auto of = std::ranges::find(out, world, [](const auto& entry) { return entry.first; });
    if (of == out.end()) of = out.insert(out.end(), {world, {}});
    if (std::ranges::find(of->second, node->component.use) == of->second.end()) {
      of->second.push_back(node->component.use);
    }
  }
  return out;
}

void add_headline(ReportDocument& document, Objects& objects, const Recipe& recipe) {
  std::vector<std::string> sources;  // each is described once
  for (const NodeSpec* node : recipe.section("train")) {
    const TrainSpec& train = node->train();
    std::size_t members = 0;
    for (const TrainGroup& group : train.groups) members += group.members.size();
    document.headline.push_back(cat("Trained ", members, members == 1 ? " SAE" : " SAEs", " on ",
                                    count_text(train.rows), " rows of '", train.source,
                                    "' in batches of ", count_text(train.batch), "."));
    const NodeSpec* source = recipe.find("source", train.source);
    const bool known = std::find(sources.begin(), sources.end(), train.source) != sources.end();
    if (source == nullptr || known) continue;
    sources.push_back(train.source);
    document.headline.push_back(source_sentence(objects, recipe, *source));
  }
  if (!recipe.section("score").empty()) {
    document.headline.push_back(
        "Scores are measured on held-out rows unless a section says otherwise.");
  }
  for (const auto& [world, uses] : comparators_by_world(recipe)) {
    std::string list;
    for (std::size_t i = 0; i < uses.size(); ++i) {
      list += (i == 0 ? "" : i + 1 == uses.size() ? " and " : ", ") + uses[i];
    }
    document.headline.push_back(cat("Compared the rewards of '", world, "' with ", list, "."));
  }
}

// The resolved recipe by the paths that `--set` takes: "seed", "sae.student.k".
Value values_by_path(const Recipe& recipe) {
  const Value resolved = resolved_value(recipe);
  Value out = Value::table();
  out.set("saffron", resolved.at("saffron"));
  for (const char* part : {"settings", "nodes"}) {
    for (const Value::Entry& entry : resolved.at(part).as_table()) out.set(entry.key, entry.value);
  }
  return out;
}

ReportDocument::Recipe recipe_part(const Prepared& prepared, const fs::path& directory) {
  ReportDocument::Recipe out;
  out.given = read_text(directory / "recipe.toml");
  out.resolved = read_text(directory / "resolved.toml");
  out.values = flat_values(values_by_path(prepared.recipe()));
  const Document& document = prepared.document();
  if (!document.files.empty()) out.extends.assign(document.files.begin() + 1, document.files.end());
  for (std::size_t i = 1;; ++i) {
    const std::string* text = document.sources.find(cat("--set #", i));
    if (text == nullptr) return out;
    out.overrides.push_back(*text);
  }
}

}  // namespace

Value last_records(const fs::path& metrics_file) {
  Value out = Value::table();
  for (const Value& record : read_metrics(metrics_file)) {
    const std::string& node = record.at("node").as_string();
    if (out.find(node) == nullptr) out.set(node, Value::table());
    Value last = record;
    for (const char* key : {"node", "sae", "time"}) last.erase(key);
    out.find(node)->set(record.at("sae").as_string(), std::move(last));
  }
  return out;
}

Value results_document(const Value& manifest, const Value& results) {
  Value out = Value::table();
  out.set("format", "saffron-results/1");
  out.set("run", manifest.at("id"));
  out.set("train", results.at("train"));
  Value score = Value::table(), compare = Value::table();
  for (const Value::Entry& node : results.at("score").as_table()) {
    score.set(node.key, node.value.at("metrics"));
  }
  for (const Value::Entry& node : results.at("compare").as_table()) {
    Value values = node.value;
    Value metrics = node.value.at("report").at("metrics");
    values.erase("report");
    if (!metrics.as_list().empty()) values.set("metrics", std::move(metrics));
    compare.set(node.key, std::move(values));
  }
  out.set("score", std::move(score));
  out.set("compare", std::move(compare));
  return out;
}

Value report_document(Prepared& prepared, const Value& manifest, const Value& results,
                      const fs::path& directory) {
  const Recipe& recipe = prepared.recipe();
  ReportDocument document;
  document.run.name = recipe.settings.name;
  document.run.id = manifest.at("id").as_string();
  document.run.status = manifest.at("status").as_string();
  document.run.started = manifest.at("started").as_string();
  document.run.finished = manifest.at("finished").as_string();
  document.run.seconds = seconds_between(document.run.started, document.run.finished);
  document.run.command = manifest.at("command").as_string();
  document.run.saffron_version = manifest.at("environment").at("saffron").as_string();
  add_headline(document, prepared.objects(), recipe);
  for (const NodeSpec* node : recipe.section("train")) {
    document.sections.push_back(
        training_section(*node, results.at("train"), directory / "metrics.jsonl"));
  }
  for (const NodeSpec* node : recipe.section("score")) {
    document.sections.push_back({.id = "score-" + node->name,
                                 .title = node->name,
                                 .kind = "score",
                                 .node = node->path(),
                                 .report = report_from_value(results.at("score").at(node->name))});
  }
  for (const NodeSpec* node : recipe.section("compare")) {
    document.sections.push_back(
        {.id = "compare-" + node->name,
         .title = node->name,
         .kind = "compare",
         .node = node->path(),
         .report = report_from_value(results.at("compare").at(node->name).at("report"))});
  }
  document.recipe = recipe_part(prepared, directory);
  add_provenance(document, prepared, manifest);
  return document.to_value();
}

}  // namespace saffron::host
