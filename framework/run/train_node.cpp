#include "framework/loader/component.h"
#include "framework/run/checkpoint.h"
#include "framework/run/run_state.h"
#include "framework/run/trained_files.h"
#include "framework/run/training_lines.h"
#include "framework/train/trainer.h"

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/log.h>

#include <chrono>
#include <iomanip>
#include <map>
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
        checkpoints_(run.directory.file("checkpoints"), node.name) {}

  void execute() {
    for (const TrainGroup& group : spec_.groups) sort_out(group);
    const std::optional<State> checkpoint = usable_checkpoint();
    prepare_metrics(checkpoint);
    if (!pending_.empty()) train(checkpoint);
    std::vector<Value> records = run_.metrics.records();
    arrange_lines(records, run_.recipe);
    run_.metrics.replace(records);
    for (const TrainGroup& group : spec_.groups) keep_weights(group);
  }

 private:
  struct Pending {
    const TrainGroup* group;
    Value document;
  };

  // The newest checkpoint, if it holds all SAEs that are left to train.
  std::optional<State> usable_checkpoint() const {
    if (pending_.empty()) return std::nullopt;
    std::optional<State> state = checkpoints_.latest();
    if (!state) return std::nullopt;
    for (const std::string& name : pending_members()) {
      if (state->values.at("lines").find(name) != nullptr) continue;
      logging::warning(cat("the checkpoint does not hold '", name, "'; starting over"));
      return std::nullopt;
    }
    return state;
  }

  std::vector<std::string> pending_members() const {
    std::vector<std::string> names;
    for (const Pending& pending : pending_) {
      for (std::size_t index : pending.group->members) {
        names.push_back(run_.recipe.members[index].name);
      }
    }
    return names;
  }

  // Of an earlier attempt at this node stay the lines up to the checkpoint; cached SAEs bring theirs.
  void prepare_metrics(const std::optional<State>& checkpoint) {
    std::vector<Value> records = run_.metrics.records();
    if (checkpoint) {
      keep_lines(records, node_.path(), pending_members(), *checkpoint,
                 run_.directory.file("metrics.jsonl"));
    } else {
      drop_lines(records, node_.path());
    }
    records.insert(records.end(), cached_lines_.begin(), cached_lines_.end());
    arrange_lines(records, run_.recipe);
    run_.metrics.replace(records);
  }

  void sort_out(const TrainGroup& group) {
    Value document = run_.identity.train_group(node_, group);
    const std::string name = group_name(node_, run_.recipe, group);
    if (const auto folder = run_.find_cached("train", name, document)) {
      load_group(group, *folder);
      return;
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
  }

  TrainOptions options() const {
    TrainOptions out;
    out.rows = spec_.rows;
    out.batch = spec_.batch;
    out.pass_rows = spec_.pass_rows.value_or(0);
    out.optimizer = spec_.optimizer;
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
        const auto trained = run_.objects.sae(member.name);
        const auto objective = run_.objects.create<Objective>(
            spec_.objective, node_.path() + ".objective", spec_.seed);
        const auto* canonical = dynamic_cast<const CanonicalObjective*>(objective.get());
        members.push_back(
            {.trained = trained,
             .random = node_random(seed, member.keys.seed, "sae"),
             .objective = objective,
             .objective_scale =
                 canonical == nullptr ? 1.0 : canonical->canonical_scale(*trained).value_or(1),
             .place = Place("sae " + member.component.use, "sae." + member.name,
                            member.component.origin)});
      }
      // By name, as the order of their tables in the recipe enters no hash.
      std::map<std::string, const RegularizerSpec*> regularizers;
      for (const RegularizerSpec& r : group.regularizers) regularizers.emplace(r.name, &r);
      std::uint64_t number = 0;
      for (const auto& [name, spec] : regularizers) {
        const RegularizerSpec& r = *spec;
        TrainPenalty penalty{
            .name = r.name,
            .regularizer = nullptr,
            .over = {},
            .coef = r.keys.coef,
            .warmup = r.keys.warmup,
            .every = r.keys.every,
            .random = node_random(seed, spec_.seed, "regularizer").fork(number++),
            .place = Place("regularizer " + r.component.use,
                           node_.path() + ".regularizer." + r.name, r.component.origin)};
        for (std::size_t i : members_over(run_.recipe, group, r)) {
          penalty.over.push_back(first + i);
        }
        if (penalty.over.empty()) continue;
        penalty.regularizer =
            run_.objects.create<Regularizer>(r.component, node_.path() + "." + r.name, spec_.seed);
        penalties.push_back(std::move(penalty));
      }
    }
    Reader reader(run_.objects.blocks(spec_.source), run_.objects.split(spec_.source),
                  node_random(seed, spec_.seed, "training order"),
                  {.window = run_.objects.window(spec_)});
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
    run_.progress.begin("training " + node_.name, trainer.step());
    const auto started = Clock::now();
    auto saved = started;
    first_step_ = trainer.step();
    try {
      while (!trainer.done()) {
        throw_if_interrupted();
        const bool measure = (trainer.step() + 1) % spec_.log_every == 0;
        std::vector<double> lr;
        for (std::size_t i = 0; i < trainer.members().size(); ++i) {
          lr.push_back(trainer.learning_rate(i));
        }
        const auto metrics = trainer.advance(measure);
        report(trainer, metrics, lr, started);
        const double since = std::chrono::duration<double>(Clock::now() - saved).count();
        const bool by_steps =
            spec_.checkpoint_every > 0 && trainer.step() % spec_.checkpoint_every == 0;
        const bool by_time = spec_.checkpoint_seconds > 0 && since >= spec_.checkpoint_seconds;
        if ((by_steps || by_time) && !trainer.done()) {
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
    std::size_t trained = 0;
    for (std::size_t i = 0; i < trainer.members().size(); ++i) {
      trained += trainer.trained(i) ? 1 : 0;
      trainer.members()[i].trained->rows_trained = trainer.rows_seen(i);
      warn_of_passes(trainer, i);
    }
    run_.progress.say(cat("  trained ", trained, trained == 1 ? " SAE in " : " SAEs in ",
                          duration_text(seconds)));
    if (run_.cache == nullptr) {
      write_checkpoint(trainer);
    } else {
      for (const Pending& pending : pending_) store(pending);
      checkpoints_.clear();
    }
  }

  void warn_of_passes(const Trainer& trainer, std::size_t i) const {
    if (!trainer.fitted(i) || trainer.final(i)) return;
    const std::int64_t passes = trainer.passes(i);
    logging::warning(cat("'", trainer.members()[i].trained->name, "' wanted more than the ", passes,
                         passes == 1 ? " pass" : " passes", " over ", trainer.pass_rows(),
                         " rows that ", node_.path(), ".rows = ", spec_.rows,
                         " allows; raise it, or set pass_rows lower"));
  }

  void write_checkpoint(const Trainer& trainer) {
    run_.metrics.synchronise();
    State state = trainer.save();
    const auto counts = lines_by_sae(run_.metrics.records(), node_.path());
    Value lines = Value::table();
    for (const TrainMember& member : trainer.members()) {
      const auto own = counts.find(member.trained->name);
      lines.set(member.trained->name, own == counts.end() ? 0 : own->second);
    }
    state.values.set("lines", std::move(lines));
    checkpoints_.write(trainer.step(), state);
  }

  void report(const Trainer& trainer, const std::vector<MemberMetrics>& metrics,
              const std::vector<double>& lr, Clock::time_point started) {
    const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
    bool measured = false;
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      const MemberMetrics& m = metrics[i];
      if (!m.measured) continue;
      measured = true;
      Value record = Value::table();
      record.set("node", node_.path());
      record.set("sae", trainer.members()[i].trained->name);
      record.set("step", trainer.step());
      record.set("rows", trainer.rows_seen(i));
      if (trainer.fitted(i)) record.set("passes", trainer.passes(i));
      record.set("lr", trainer.fitted(i) ? 0.0 : lr[i]);
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
    if (measured) detail_ = first_of(trainer, metrics);
    std::ostringstream line;
    line << "step " << trainer.step() << "/" << trainer.steps() << "  " << std::fixed
         << std::setprecision(0)
         << static_cast<double>((trainer.step() - first_step_) * spec_.batch) / seconds << " rows/s"
         << (detail_.empty() ? "" : "  ") << detail_;
    run_.progress.update(trainer.step(), trainer.steps(), line.str());
  }

  // The first SAE that was measured speaks for all of them.
  static std::string first_of(const Trainer& trainer, const std::vector<MemberMetrics>& metrics) {
    std::size_t i = 0;
    while (!metrics[i].measured) ++i;
    std::ostringstream text;
    if (metrics.size() > 1) text << trainer.members()[i].trained->name << ": ";
    text << std::setprecision(3) << "loss " << metrics[i].loss << "  FVU " << metrics[i].fvu
         << "  L0 " << metrics[i].l0 << "  dead " << 100 * metrics[i].dead << " %";
    if (trainer.fitted(i)) text << "  passes " << trainer.passes(i);
    return text.str();
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
    run_.keep("train", group_name(node_, run_.recipe, *pending.group), pending.document,
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
  std::vector<Pending> pending_;
  std::vector<Value> cached_lines_;
  std::string detail_;
  std::int64_t first_step_ = 0;
};

}  // namespace

void run_train_node(RunState& run, const NodeSpec& node) { TrainRun(run, node).execute(); }

}  // namespace saffron::host
