#include "framework/run/run.h"

#include "framework/loader/crash.h"
#include "framework/log/terminal_log.h"
#include "framework/recipe/resolve.h"
#include "framework/report/render.h"
#include "framework/run/coefficients.h"
#include "framework/run/environment.h"
#include "framework/run/report_builder.h"
#include "framework/run/run_state.h"
#include "framework/train/parameters.h"

#include <saffron/io.h>
#include <saffron/log.h>

#include <ATen/Parallel.h>

#include <memory>
#include <thread>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPage = "report.html";

void use_threads(std::int64_t wanted) {
  const auto all = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  at::set_num_threads(wanted > 0 ? static_cast<int>(wanted) : all);
}

// What of an earlier attempt's code is another now: "other plugins: ..."; "" where it is the same.
// The same bytes in another place are the same plugin; with `trust` their components' revisions say.
std::string code_change(const Value& earlier, Value plugins, const Value& libraries, bool trust) {
  Value before = earlier.at("plugins");
  for (Value* side : {&before, &plugins}) {
    for (Value::Entry& plugin : side->as_table()) {
      for (const char* key : {"file", "version", "sha256", "build"}) {
        if (trust || std::string_view(key) == "file") plugin.value.erase(key);
      }
    }
  }
  if (const std::string change = describe_change(before, plugins); !change.empty()) {
    return "other plugins: " + change;
  }
  if (trust) return "";
  const std::string change = describe_change(earlier.at("libraries"), libraries);
  return change.empty() ? "" : "another build of Saffron: " + change;
}

class Session {
 public:
  Session(const RunRequest& request, Prepared& prepared)
      : request_(request),
        prepared_(prepared),
        recipe_(prepared.recipe()),
        directory_(recipe_.settings.runs, recipe_.settings.name, prepared.hash()),
        cache_(recipe_.settings.cache),
        digests_(recipe_.settings.cache.empty() ? fs::path(recipe_.settings.runs)
                                                : fs::path(recipe_.settings.cache)),
        identity_(recipe_, prepared.catalog(), digests_, request.trust_revisions),
        progress_(request.progress) {}

  RunResult execute() {
    if (request_.fresh) directory_.start_fresh();
    if (!open_manifest()) return {directory_.path(), true, changed_since_};
    log_ = make_log(directory_.file("log.txt").string(), request_.verbose);
    set_log_sink(log_.get());
    install_crash_handler(directory_.path().string());
    prepared_.host().artifacts = directory_.file("artifacts");
    prepared_.host().progress = [this](std::string_view what, std::int64_t done,
                                       std::int64_t total) { progress_.beside(what, done, total); };
    try {
      run_nodes();
      finish(RunStatus::done, "");
    } catch (const Error& error) {
      give_up(error.kind() == ErrorKind::cancelled ? RunStatus::interrupted : RunStatus::failed,
              error.what());
      throw;
    } catch (const std::exception& error) {
      give_up(RunStatus::failed, error.what());
      throw;
    }
    set_log_sink(nullptr);
    return {directory_.path(), false, ""};
  }

 private:
  // The first of a finished run's outputs that is gone or not what was written; "" when all are there.
  // The page can be rendered anew at any time, so it need only be there.
  std::string missing_output(const Value& manifest) {
    for (const Value::Entry& output : manifest.at("outputs").as_table()) {
      const fs::path file = directory_.file(output.key);
      if (!fs::is_regular_file(file)) return output.key;
      if (output.key == kPage) continue;
      if (!(Value(digests_.of(file)) == output.value)) return output.key;
    }
    return "";
  }

  // Error (data) when an unfinished attempt had other inputs or another code; a finished run is what it
  // is, so that only its inputs count.
  bool is_done(const Value& earlier, const Value& inputs, const std::string& changed_code) {
    const auto refuse = [](const std::string& what) {
      return Error(ErrorKind::data, "this run was started with " + what);
    };
    if (const std::string change = describe_change(earlier.at("inputs"), inputs); !change.empty()) {
      throw refuse("other input files: " + change)
          .with_help(
              "restore them, or start over with --fresh (the earlier attempt is kept aside)");
    }
    if (earlier.at("status") == Value("done")) {
      const std::string missing = missing_output(earlier);
      changed_since_ = changed_code;
      if (missing.empty()) return true;
      progress_.say(cat("  ", missing, " is gone or was changed: making it again"));
    }
    if (changed_code.empty()) return false;
    throw refuse(changed_code)
        .with_help(
            "start over with --fresh (the earlier attempt is kept aside); where a rebuild "
            "changes no result, go on with --trust-revisions");
  }

  // False when this very run is already done.
  bool open_manifest() {
    const Value earlier = directory_.manifest();
    const Value inputs = identity_.inputs(), plugins = identity_.plugins(),
                libraries = identity_.libraries(), here = environment();
    digests_.save();
    manifest_ = Value::table();
    Value resumed = Value::list();
    std::string started = now_text();
    if (!earlier.is_null()) {
      if (is_done(earlier, inputs,
                  code_change(earlier, plugins, libraries, request_.trust_revisions))) {
        return false;
      }
      resumed = earlier.at("resumed");
      started = earlier.at("started").as_string();
      Value entry = Value::table();
      entry.set("at", now_text());
      entry.set("after", earlier.at("status"));
      const std::string change = describe_change(earlier.at("environment"), here);
      entry.set("difference", change);
      if (!change.empty()) {
        progress_.say("  resuming in another environment, so bits may differ: " + change);
      }
      resumed.push(std::move(entry));
    }
    manifest_.set("format", "saffron-manifest/1");
    manifest_.set("name", recipe_.settings.name);
    manifest_.set("id", directory_.id());
    manifest_.set("recipe_hash", prepared_.hash());
    manifest_.set("status", to_string(RunStatus::running));
    manifest_.set("started", started);
    manifest_.set("command", request_.command);
    manifest_.set("folder", fs::current_path().string());
    manifest_.set("seed", recipe_.settings.seed);
    manifest_.set("environment", here);
    manifest_.set("resumed", std::move(resumed));
    manifest_.set("cached", Value::list());
    manifest_.set("inputs", inputs);
    manifest_.set("plugins", plugins);
    manifest_.set("libraries", libraries);
    write_file_atomic(directory_.file("recipe.toml"), read_text(recipe_.path));
    write_file_atomic(directory_.file("resolved.toml"), resolved_text(recipe_));
    directory_.write_manifest(manifest_);
    return true;
  }

  void run_nodes() {
    MetricsLog metrics(directory_.file("metrics.jsonl"));
    RunState state{.recipe = recipe_,
                   .objects = prepared_.objects(),
                   .identity = identity_,
                   .cache = recipe_.settings.cache.empty() ? nullptr : &cache_,
                   .directory = directory_,
                   .metrics = metrics,
                   .progress = progress_,
                   .environment = manifest_.at("environment"),
                   .cached = *manifest_.find("cached")};
    for (const NodeSpec* node : recipe_.section("train")) run_train_node(state, *node);
    Value score = Value::table(), compare = Value::table();
    for (const NodeSpec* node : recipe_.section("score")) {
      throw_if_interrupted();
      score.set(node->name, run_score_node(state, *node));
    }
    for (const NodeSpec* node : recipe_.section("compare")) {
      throw_if_interrupted();
      compare.set(node->name, run_compare_node(state, *node));
    }
    Value train = last_records(directory_.file("metrics.jsonl"));
    for (const NodeSpec* node : recipe_.section("train")) {
      add_coefficients(prepared_.objects(), *node, train);
    }
    results_.set("train", std::move(train));
    results_.set("score", std::move(score));
    results_.set("compare", std::move(compare));
  }

  void finish(RunStatus status, const std::string& reason) {
    progress_.end();
    manifest_.set("status", to_string(status));
    manifest_.set("finished", now_text());
    manifest_.set("reason", reason);
    if (status == RunStatus::done) write_report();
    directory_.write_manifest(manifest_);
  }

  void give_up(RunStatus status, const std::string& reason) {
    set_log_sink(nullptr);
    try {
      finish(status, reason);
    } catch (const std::exception&) {
      // The disk that stopped the run takes no manifest either; that goes on saying "running", as
      // after a kill, and the first reason is the one to show.
    }
  }

  void write_report() {
    write_file_atomic(directory_.file("results.json"),
                      to_json(results_document(manifest_, results_), JsonStyle::pretty) + "\n");
    const Value document = report_document(prepared_, manifest_, results_, directory_.path());
    write_file_atomic(directory_.file("report.json"), to_json(document) + "\n");
    write_file_atomic(directory_.file(kPage), render_html({document}));
    Value outputs = Value::table();
    for (const char* name : {"results.json", "report.json", kPage, "metrics.jsonl"}) {
      outputs.set(name, sha256_file(directory_.file(name)));
    }
    for (const Member& member : recipe_.members) {
      const std::string name = cat("saes/", member.name, ".safetensors");
      outputs.set(name, sha256_file(directory_.file(name)));
    }
    manifest_.set("outputs", std::move(outputs));
  }

  const RunRequest& request_;
  Prepared& prepared_;
  const Recipe& recipe_;
  RunDirectory directory_;
  ResultCache cache_;
  Digests digests_;
  Identity identity_;
  Progress progress_;
  std::unique_ptr<LogSink> log_;
  Value manifest_, results_ = Value::table();
  std::string changed_since_;  // the code of a finished run
};

}  // namespace

RunResult run_recipe(const RunRequest& request) {
  Prepared prepared(request);
  prepared.check();
  use_threads(prepared.recipe().settings.threads);
  keep_freed_memory();
  return Session(request, prepared).execute();
}

}  // namespace saffron::host
