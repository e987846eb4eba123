#pragma once

#include "framework/train/optimizer.h"
#include "framework/train/schedule.h"

#include <saffron/schema.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The keys that a node has whatever component it uses: each section's own. They are decoded by the
// same schemas as components' parameters.

namespace saffron::host {

// dataset, model, world
struct PlainKeys {
  std::int64_t seed = 0;
  static Schema<PlainKeys> schema();
};

struct SourceKeys {
  double held_out = 0.05;  // share of the blocks that training never reads
  std::int64_t seed = 0;
  static Schema<SourceKeys> schema();
};

struct SaeKeys {
  std::vector<std::string> reads;     // "acts:layers.10.resid_post", or "acts" for its only stream
  std::vector<std::string> predicts;  // as `reads` when the recipe names none
  std::int64_t seed = 0;
  static Schema<SaeKeys> schema();
};

struct TrainKeys {
  std::vector<std::string> saes;
  std::int64_t rows = 0;  // rows of the training split that each SAE sees in all
  std::int64_t batch = 1024;
  std::optional<std::int64_t> pass_rows;  // of SAEs fitted by passes; an epoch when absent
  std::int64_t shuffle_blocks = 16;       // blocks whose rows are shuffled together
  OptimizerOptions optimizer;
  Schedule schedule;  // of the learning rate; warmup and decay are shares of the steps
  std::int64_t seed = 0;
  std::int64_t log_every = 50;        // steps
  std::int64_t checkpoint_every = 0;  // steps; 0 = by time alone
  double checkpoint_seconds = 60;     // 0 = never by time
  static Schema<TrainKeys> schema();
};

// [train.<name>.regularizer.<name>]
struct RegularizerKeys {
  std::vector<std::string> over;  // which of the train node's SAEs, in this order
  double coef = 0;
  double warmup = 0;       // share of the steps over which the coefficient rises linearly from 0
  std::int64_t every = 1;  // added at every n-th step only
  static Schema<RegularizerKeys> schema();
};

enum class SplitName : std::uint8_t { held_out, train };

struct ScoreKeys {
  SplitName split = SplitName::held_out;
  std::optional<std::int64_t> rows;  // at most so many; all of the split when absent
  std::int64_t batch = 1024;
  std::int64_t seed = 0;
  static Schema<ScoreKeys> schema();
};

struct CompareKeys {
  std::string world;
  std::int64_t seed = 0;
  static Schema<CompareKeys> schema();
};

// Where a section's own keys stand: "sae", "train", ..., and "regularizer" for the tables inside a
// train node. What `inspect` shows beside a component's parameters; of `train`, also `objective`,
// `regularizer` and `vary`, which no schema decodes.
[[nodiscard]] std::vector<ParamInfo> own_params(std::string_view section);
[[nodiscard]] const std::vector<std::string>& own_key_names(std::string_view section);

// "acts:layers.10.resid_post" -> {"acts", "layers.10.resid_post"}; the stream is "" without ':'.
struct StreamName {
  std::string source, stream;
};
[[nodiscard]] StreamName parse_stream(std::string_view text);

}  // namespace saffron::host
