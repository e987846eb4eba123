#include "framework/loader/component.h"
#include "framework/run/run_state.h"
#include "framework/train/step.h"

#include <saffron/io.h>
#include <saffron/log.h>
#include <saffron/scorer.h>

#include <c10/core/GradMode.h>

#include <algorithm>
#include <optional>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

// Rows of an endless source's held-out split that a scorer reads when the recipe does not say.
constexpr std::int64_t kEndlessRows = 65'536;

class LazyBatch final : public ScoreBatch {
 public:
  LazyBatch(const std::vector<const TrainedSae*>& saes, std::int64_t block, ActivationRows rows)
      : saes_(saes), block_(block), rows_(std::move(rows)), parts_(saes.size()) {}

  const ActivationRows& rows() const override { return rows_; }
  std::int64_t block() const override { return block_; }
  const std::vector<at::Tensor>& inputs(std::int64_t i) const override {
    return streams(part(i).inputs, sae(i).reads);
  }
  const std::vector<at::Tensor>& targets(std::int64_t i) const override {
    return streams(part(i).targets, sae(i).predicts);
  }
  const std::vector<Codes>& codes(std::int64_t i) const override {
    Part& p = part(i);
    if (!p.codes) {
      p.codes = guard(place(i), [&] { return sae(i).sae->encode(inputs(i)); });
      for (const Codes& codes : *p.codes) require_complete(codes, sae(i).name);
    }
    return *p.codes;
  }
  const std::vector<at::Tensor>& reconstructions(std::int64_t i) const override {
    Part& p = part(i);
    if (!p.reconstructions) {
      const std::vector<Codes>& held = codes(i);
      p.reconstructions = guard(place(i), [&] { return sae(i).sae->decode(held); });
    }
    return *p.reconstructions;
  }

 private:
  struct Part {
    std::vector<at::Tensor> inputs, targets;
    std::optional<std::vector<Codes>> codes;
    std::optional<std::vector<at::Tensor>> reconstructions;
  };
  Part& part(std::int64_t i) const { return parts_.at(static_cast<std::size_t>(i)); }
  const TrainedSae& sae(std::int64_t i) const { return *saes_.at(static_cast<std::size_t>(i)); }
  Place place(std::int64_t i) const { return Place("sae", sae(i).name); }
  const std::vector<at::Tensor>& streams(std::vector<at::Tensor>& held,
                                         const std::vector<std::int64_t>& numbers) const {
    if (held.empty()) {
      for (std::int64_t s : numbers) held.push_back(rows_.streams[static_cast<std::size_t>(s)]);
    }
    return held;
  }

  const std::vector<const TrainedSae*>& saes_;
  std::int64_t block_;
  ActivationRows rows_;
  mutable std::vector<Part> parts_;
};

void read_rows(RunState& run, const NodeSpec& node, const ScorerNeeds& needs,
               const std::string& source, Accumulator& accumulator, const Place& place) {
  const ScoreKeys& keys = node.score();
  const Split split = keys.split == SplitName::train ? Split::train : Split::held_out;
  Reader reader(run.objects.blocks(source), run.objects.split(source),
                node_random(run.recipe.settings.seed, keys.seed, "scoring order"),
                {.split = split, .order = needs.order});
  const std::int64_t available = reader.epoch_rows();
  std::int64_t wanted = available == kEndless ? kEndlessRows : available;
  if (keys.rows) wanted = available == kEndless ? *keys.rows : std::min(*keys.rows, available);
  for (std::int64_t done = 0; done < wanted; run.progress.update(std::min(done, wanted), wanted)) {
    throw_if_interrupted();
    std::int64_t block = -1;
    ActivationRows rows;
    if (needs.order == RowOrder::contexts) {
      std::tie(block, rows) = reader.next_block();
    } else {
      rows = reader.next(std::min(keys.batch, wanted - done));
    }
    done += rows.streams.at(0).size(0);
    const LazyBatch batch(needs.saes, block, std::move(rows));
    guard(place, [&] { accumulator.add(batch); });
  }
}

Report score(RunState& run, const NodeSpec& node) {
  const c10::AutoGradMode no_grad(false);
  const Place place("scorer " + node.component.use, node.path(), node.origin);
  const auto scorer = run.objects.create<Scorer>(node.component, node.path(), node.score().seed);
  const ScorerNeeds needs = guard(place, [&] { return scorer->needs(); });
  const auto accumulator = guard(place, [&] { return scorer->begin(); });
  if (needs.rows_wanted) {
    if (needs.saes.empty()) {
      throw place.locate(Error(ErrorKind::plugin, "the scorer wants rows but names no SAE"));
    }
    for (const TrainedSae* sae : needs.saes) {
      if (sae->source_name != needs.saes.front()->source_name) {
        throw place.locate(Error(cat("'", needs.saes.front()->name, "' and '", sae->name,
                                     "' read different sources"))
                               .with_help("score them in two nodes"));
      }
    }
    read_rows(run, node, needs, needs.saes.front()->source_name, *accumulator, place);
  }
  return guard(place, [&] { return accumulator->finish(); });
}

}  // namespace

Value run_score_node(RunState& run, const NodeSpec& node) {
  run.progress.begin("scoring " + node.name);
  const Value document = run.identity.score(node);
  if (const auto folder = run.find_cached("score", node.path(), document)) {
    const fs::path file = *folder / "report.json";
    return from_json(read_text(file), file.string());
  }
  Value report = to_value(score(run, node));
  run.progress.end();
  run.progress.say(cat("  scored ", node.name));
  run.keep("score", node.path(), document, [&](const fs::path& folder) {
    write_file_atomic(folder / "report.json", to_json(report) + "\n");
  });
  return report;
}

}  // namespace saffron::host
