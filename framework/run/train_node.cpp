#include "framework/loader/component.h"
#include "framework/run/checkpoint.h"
#include "framework/run/run_state.h"
#include "framework/run/trained_files.h"
#include "framework/train/trainer.h"

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/log.h>

#include <chrono>
#include <cmath>
#include <iomanip>
#include <set>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

std::string group_name(const NodeSpec& node, const Recipe& recipe, const TrainGroup& group) {
  std::string name = node.path();
  for (std::size_t index : group.members) name += " " + recipe.members[index].name;
  return name;
}

// One train node on its way: which groups are cached, the trainer of the others, its bookkeeping.
class TrainRun {
 public:
  TrainRun(RunState& run, const NodeSpec& node)
      : run_(run),
        node_(node),
        spec_(node.train()),
        checkpoints_(run.directory.file("checkpoints"), node.name),
        start_file_(run.directory.file("checkpoints") / (node.name + ".start.json")) {}

  void execute() {
    for (const TrainGroup& group : spec_.groups) sort_out(group);
    const std::optional<State> checkpoint = usable_checkpoint();
    prepare_metrics(checkpoint);
    if (!pending_.empty()) train(checkpoint);
    for (const TrainGroup& group : spec_.groups) keep_weights(group);
  }

 private:
  struct Pending {
    const TrainGroup* group;
    Value document;
  };

  // The newest checkpoint, if it is of the very SAEs that are left to train.
  std::optional<State> usable_checkpoint() const {
    std::optional<State> state = checkpoints_.latest();
    if (!state || pending_.empty()) return std::nullopt;
    Value names = Value::list();
    for (const Pending& pending : pending_) {
      for (std::size_t index : pending.group->members) names.push(run_.recipe.members[index].name);
    }
    if (state->values.at("members") == names) return state;
    logging::warning("the checkpoint speaks of other SAEs than those left to train; starting over");
    return std::nullopt;
  }

  // Lines of an interrupted attempt at this node must not stay twice: metrics.jsonl is cut back to the
  // checkpoint, or to where the node began, and then starts with the cached groups' lines.
  void prepare_metrics(const std::optional<State>& checkpoint) {
    if (checkpoint) {
      run_.metrics.cut(checkpoint->values.at("metrics").as_int());
      return;
    }
    if (fs::exists(start_file_)) {
      const Value start = from_json(read_text(start_file_), start_file_.string());
      run_.metrics.cut(start.at("metrics").as_int());
    } else {
      fs::create_directories(start_file_.parent_path());
      Value start = Value::table();
      start.set("metrics", run_.metrics.length());
      write_file_atomic(start_file_, to_json(start) + "\n");
    }
    for (const Value& line : cached_lines_) run_.metrics.append(line);
  }

  void sort_out(const TrainGroup& group) {
    Value document = run_.identity.train_group(node_, group);
    if (run_.cache != nullptr) {
      const auto lookup =
          run_.cache->find("train", group_name(node_, run_.recipe, group), document);
      if (lookup.folder) {
        load_group(group, *lookup.folder);
        return;
      }
      logging::info(cat(group_name(node_, run_.recipe, group), ": ", lookup.reason));
    }
    pending_.push_back({&group, std::move(document)});
  }

  void load_group(const TrainGroup& group, const fs::path& folder) {
    for (std::size_t index : group.members) {
      const std::string& name = run_.recipe.members[index].name;
      auto sae = run_.objects.sae(name);
      read_trained(folder / (name + ".safetensors"), *sae);
    }
    for (Value& record : read_metrics(folder / "metrics.jsonl")) {
      cached_lines_.push_back(std::move(record));
    }
    run_.progress.say(cat("  ", group_name(node_, run_.recipe, group), ": from the cache"));
  }

  TrainOptions options() const {
    TrainOptions out;
    out.rows = spec_.rows;
    out.batch = spec_.batch;
    const OptimizerKeys& o = spec_.optimizer;
    out.optimizer = {o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, o.clip};
    out.schedule = spec_.schedule;
    return out;
  }

  Trainer make_trainer() {
    std::vector<TrainMember> members;
    std::vector<TrainPenalty> penalties;
    const std::int64_t seed = run_.recipe.settings.seed;
    for (const Pending& pending : pending_) {
      const TrainGroup& group = *pending.group;
      const std::size_t first = members.size();
      for (std::size_t index : group.members) {
        const Member& member = run_.recipe.members[index];
        members.push_back({.trained = run_.objects.sae(member.name),
                           .random = node_random(seed, member.keys.seed, "sae"),
                           .objective = run_.objects.create<Objective>(
                               spec_.objective, node_.path() + ".objective", spec_.seed),
                           .place = Place("sae " + member.component.use, "sae." + member.name,
                                          member.component.origin)});
      }
      for (std::size_t number = 0; number < group.regularizers.size(); ++number) {
        const RegularizerSpec& r = group.regularizers[number];
        TrainPenalty penalty{
            .name = r.name,
            .regularizer = nullptr,
            .over = {},
            .coef = r.keys.coef,
            .warmup = r.keys.warmup,
            .every = r.keys.every,
            .random = node_random(seed, spec_.seed, "regularizer").fork(number),
            .place = Place("regularizer " + r.component.use,
                           node_.path() + ".regularizer." + r.name, r.component.origin)};
        for (const std::string& sae : r.keys.over) {
          for (std::size_t m = 0; m < group.members.size(); ++m) {
            if (run_.recipe.members[group.members[m]].sae == sae) penalty.over.push_back(first + m);
          }
        }
        if (penalty.over.empty()) continue;
        penalty.regularizer =
            run_.objects.create<Regularizer>(r.component, node_.path() + "." + r.name, spec_.seed);
        penalties.push_back(std::move(penalty));
      }
    }
    Reader reader(run_.objects.blocks(spec_.source), run_.objects.split(spec_.source),
                  node_random(seed, spec_.seed, "training order"), {});
    return Trainer(std::move(members), std::move(penalties), std::move(reader), options(),
                   run_.objects.host().dtype);
  }

  void train(const std::optional<State>& checkpoint) {
    run_.progress.begin("reading");
    Trainer trainer = make_trainer();
    if (checkpoint) {
      trainer.load(*checkpoint);
      run_.progress.say(
          cat("  resuming ", node_.path(), " at step ", trainer.step(), " of ", trainer.steps()));
    } else {
      trainer.initialise();
    }
    run_.progress.begin("training " + node_.name);
    const auto started = Clock::now();
    auto saved = started;
    first_step_ = trainer.step();
    const std::int64_t steps = trainer.trainable() ? trainer.steps() : 0;
    try {
      while (trainer.step() < steps) {
        throw_if_interrupted();
        const bool measure =
            (trainer.step() + 1) % spec_.log_every == 0 || trainer.step() + 1 == steps;
        const double lr = trainer.learning_rate();
        const auto metrics = trainer.advance(measure);
        report(trainer, metrics, measure, lr, started);
        const double since = std::chrono::duration<double>(Clock::now() - saved).count();
        const bool by_steps =
            spec_.checkpoint_every > 0 && trainer.step() % spec_.checkpoint_every == 0;
        const bool by_time = spec_.checkpoint_seconds > 0 && since >= spec_.checkpoint_seconds;
        if ((by_steps || by_time) && trainer.step() < steps) {
          write_checkpoint(trainer);
          saved = Clock::now();
        }
      }
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled && trainer.step() > 0) write_checkpoint(trainer);
      throw;
    }
    run_.progress.end();
    const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
    run_.progress.say(
        cat("  trained ", trainer.members().size(), " SAEs in ", duration_text(seconds)));
    for (TrainMember& member : trainer.members()) {
      member.trained->rows_trained = steps == 0 ? 0 : steps * spec_.batch;
    }
    if (run_.cache == nullptr) {
      write_checkpoint(trainer);
    } else {
      for (const Pending& pending : pending_) store(pending);
      checkpoints_.clear();
    }
  }

  void write_checkpoint(const Trainer& trainer) {
    run_.metrics.synchronise();
    State state = trainer.save();
    state.values.set("metrics", run_.metrics.length());
    Value names = Value::list();
    for (const TrainMember& member : trainer.members()) names.push(member.trained->name);
    state.values.set("members", std::move(names));
    checkpoints_.write(trainer.step(), state);
  }

  void report(const Trainer& trainer, const std::vector<MemberMetrics>& metrics, bool measured,
              double lr, Clock::time_point started) {
    const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
    for (std::size_t i = 0; measured && i < metrics.size(); ++i) {
      const MemberMetrics& m = metrics[i];
      Value record = Value::table();
      record.set("node", node_.path());
      record.set("sae", trainer.members()[i].trained->name);
      record.set("step", trainer.step());
      record.set("rows", trainer.step() * spec_.batch);
      record.set("lr", lr);
      record.set("loss", m.loss);
      record.set("objective", m.objective);
      record.set("fvu", m.fvu);
      record.set("l0", m.l0);
      record.set("dead", m.dead);
      record.set("gradient_norm", m.gradient_norm);
      Value terms = Value::table();
      for (const auto& [name, value] : m.terms) terms.set(name, value);
      record.set("terms", std::move(terms));
      record.set("time", seconds);
      run_.metrics.append(record);
    }
    if (measured && !metrics.empty()) {
      std::ostringstream text;
      text << std::setprecision(3) << "loss " << metrics[0].loss << "  FVU " << metrics[0].fvu
           << "  L0 " << metrics[0].l0 << "  dead " << 100 * metrics[0].dead << " %";
      detail_ = text.str();
    }
    std::ostringstream line;
    line << "step " << trainer.step() << "/" << trainer.steps() << "  " << std::fixed
         << std::setprecision(0)
         << static_cast<double>((trainer.step() - first_step_) * spec_.batch) / seconds << " rows/s"
         << (detail_.empty() ? "" : "  ") << detail_;
    run_.progress.update(trainer.step(), trainer.steps(), line.str());
  }

  // The group's SAEs and its own lines of this node.
  void fill(const fs::path& folder, const TrainGroup& group) const {
    std::set<std::string> names;
    for (std::size_t index : group.members) {
      const auto sae = run_.objects.sae(run_.recipe.members[index].name);
      write_trained(folder / (sae->name + ".safetensors"), *sae);
      names.insert(sae->name);
    }
    std::string own;
    for (const Value& record : read_metrics(run_.directory.file("metrics.jsonl"))) {
      if (record.at("node") == Value(node_.path()) &&
          names.count(record.at("sae").as_string()) != 0) {
        own += to_json(record) + "\n";
      }
    }
    write_file_atomic(folder / "metrics.jsonl", own);
  }

  void store(const Pending& pending) {
    run_.cache->keep("train", group_name(node_, run_.recipe, *pending.group), pending.document,
                     [&](const fs::path& folder) { fill(folder, *pending.group); });
  }

  void keep_weights(const TrainGroup& group) {
    fs::create_directories(run_.directory.file("saes"));
    for (std::size_t index : group.members) {
      const Member& member = run_.recipe.members[index];
      write_weights(run_.directory.file("saes") / (member.name + ".safetensors"), member,
                    *run_.objects.sae(member.name));
    }
  }

  RunState& run_;
  const NodeSpec& node_;
  const TrainSpec& spec_;
  Checkpoints checkpoints_;
  fs::path start_file_;
  std::vector<Pending> pending_;
  std::vector<Value> cached_lines_;
  std::string detail_;
  std::int64_t first_step_ = 0;
};

}  // namespace

void run_train_node(RunState& run, const NodeSpec& node) { TrainRun(run, node).execute(); }

}  // namespace saffron::host
