#include "framework/recipe/node_keys.h"

#include <map>
#include <utility>

namespace saffron {
inline namespace sdk_v1 {

template <>
struct ParamOf<host::Schedule> {
  static constexpr ParamType type = ParamType::table;
  static Schema<host::Schedule> schema() {
    using host::Schedule;
    return Schema<Schedule>{}
        .param("warmup", &Schedule::warmup,
               "share of the steps over which the factor rises linearly from 0", fraction())
        .param("decay", &Schedule::decay, "share of the steps, the last ones, over which it falls",
               fraction())
        .param("final", &Schedule::final, "factor at the end of the fall", fraction())
        .param(
            "rewarm", &Schedule::rewarm,
            "share of the steps over which the factor of an SAE rises again from 0 when latents of "
            "it were drawn anew",
            fraction())
        .choice("shape", &Schedule::shape, "of the fall",
                {{"linear", Schedule::Shape::linear}, {"cosine", Schedule::Shape::cosine}})
        .check([](const Schedule& s) {
          return s.warmup + s.decay > 1 ? "warmup and decay overlap: their sum is above 1" : "";
        });
  }
  static void set(host::Schedule& member, const Value& value) {
    Decoded scratch;
    schema().decode(value, &member, scratch);
  }
  static Value get(const host::Schedule& member) { return schema().encode(&member); }
};

template <>
struct ParamOf<host::OptimizerOptions> {
  static constexpr ParamType type = ParamType::table;
  static Schema<host::OptimizerOptions> schema() {
    using namespace host;
    return Schema<OptimizerOptions>{}
        .choice("use", &OptimizerOptions::use,
                "the rule: Adam (AdamW with weight_decay), or Signum, the sign of the first moment",
                {{"adam", OptimizerKind::adam}, {"signum", OptimizerKind::signum}})
        .choice("moments", &OptimizerOptions::moments,
                "how moments are kept: as the parameters, or in half the memory, rounded "
                "stochastically",
                {{"full", MomentsDtype::full}, {"bfloat16", MomentsDtype::bfloat16}})
        .param("lr", &OptimizerOptions::lr, "learning rate", positive())
        .param("beta1", &OptimizerOptions::beta1, "decay of the first moment", below_one())
        .param("beta2", &OptimizerOptions::beta2, "adam: decay of the second moment", below_one())
        .param("eps", &OptimizerOptions::eps, "adam: added to the root of the second moment",
               positive())
        .param("weight_decay", &OptimizerOptions::weight_decay,
               "decoupled: w -= lr * weight_decay * w", non_negative())
        .param("clip", &OptimizerOptions::clip,
               "largest norm of one SAE's gradient; 0 = no clipping", non_negative());
  }
  static void set(host::OptimizerOptions& member, const Value& value) {
    Decoded scratch;
    schema().decode(value, &member, scratch);
  }
  static Value get(const host::OptimizerOptions& member) { return schema().encode(&member); }
};

}  // namespace sdk_v1

namespace host {
namespace {

constexpr const char* kSeedDoc = "makes this node's random draws differ from those of another seed";

constexpr double kMostBlocks = 1'048'576;
constexpr double kMostRows = 281'474'976'710'656;  // 2^48
constexpr double kMostInBatch = 2'147'483'647;     // rows of a batch are numbered in 32 bits

// A name in these keys is that of a node of another section.
struct NamedKind {
  const char *key, *kind;
};
constexpr NamedKind kNames[] = {{"saes", "sae"},
                                {"over", "sae"},
                                {"reads", "source"},
                                {"predicts", "source"},
                                {"world", "world"}};

ParamInfo free_form(const char* name, const char* doc, ParamType type, const char* kind = "") {
  ParamInfo info;
  info.name = name;
  info.doc = doc;
  info.type = type;
  info.component_kind = kind;
  info.optional = true;
  return info;
}

std::vector<ParamInfo> schema_params(std::string_view section) {
  if (section == "source") return SourceKeys::schema().params();
  if (section == "sae") return SaeKeys::schema().params();
  if (section == "train") return TrainKeys::schema().params();
  if (section == "regularizer") return RegularizerKeys::schema().params();
  if (section == "score") return ScoreKeys::schema().params();
  if (section == "compare") return CompareKeys::schema().params();
  return PlainKeys::schema().params();
}

}  // namespace

Schema<PlainKeys> PlainKeys::schema() {
  return Schema<PlainKeys>{}.param("seed", &PlainKeys::seed, kSeedDoc, non_negative());
}

Schema<SourceKeys> SourceKeys::schema() {
  return Schema<SourceKeys>{}
      .param("held_out", &SourceKeys::held_out, "share of the blocks that training never reads",
             below_one())
      .param("seed", &SourceKeys::seed, kSeedDoc, non_negative());
}

Schema<SaeKeys> SaeKeys::schema() {
  return Schema<SaeKeys>{}
      .param(
          "reads", &SaeKeys::reads,
          "streams that it reads: \"acts:layers.10.resid_post\", or \"acts\" where the source has "
          "one stream",
          required(), not_empty())
      .param("predicts", &SaeKeys::predicts,
             "streams that it predicts; those that it reads when empty")
      .param("seed", &SaeKeys::seed, kSeedDoc, non_negative());
}

Schema<TrainKeys> TrainKeys::schema() {
  return Schema<TrainKeys>{}
      .param("saes", &TrainKeys::saes, "the SAEs that it trains, all on one source", required(),
             not_empty())
      .param("rows", &TrainKeys::rows, "rows that each SAE sees in all", required(),
             between(1, kMostRows))
      .param("batch", &TrainKeys::batch, "rows of a step", between(1, kMostInBatch))
      .param("pass_rows", &TrainKeys::pass_rows,
             "SAEs fitted by passes: rows of a pass, the first ones; an epoch's when left out, "
             "never more than `rows`",
             between(1, kMostRows))
      .param(
          "shuffle_blocks", &TrainKeys::shuffle_blocks,
          "blocks of the source whose rows are shuffled together, where a block's rows are alike",
          between(1, kMostBlocks))
      .param("optimizer", &TrainKeys::optimizer, "how parameters are stepped")
      .param("schedule", &TrainKeys::schedule, "of the learning rate, in shares of the steps")
      .param("seed", &TrainKeys::seed, kSeedDoc, non_negative())
      .param("log_every", &TrainKeys::log_every, "steps between two lines of metrics", at_least(1))
      .param("checkpoint_every", &TrainKeys::checkpoint_every,
             "steps between two checkpoints; 0 = by time alone", non_negative(), not_in_hash())
      .param("checkpoint_seconds", &TrainKeys::checkpoint_seconds,
             "seconds between two checkpoints; 0 = never by time", non_negative(), not_in_hash());
}

Schema<RegularizerKeys> RegularizerKeys::schema() {
  return Schema<RegularizerKeys>{}
      .param("over", &RegularizerKeys::over,
             "which of the train node's SAEs, in this order; may be left out when it has only one")
      .param("coef", &RegularizerKeys::coef, "factor of the penalty in the loss", required())
      .param("warmup", &RegularizerKeys::warmup,
             "share of the steps over which the factor rises linearly from 0", fraction())
      .param("every", &RegularizerKeys::every, "added at every n-th step only", at_least(1));
}

Schema<ScoreKeys> ScoreKeys::schema() {
  return Schema<ScoreKeys>{}
      .choice("split", &ScoreKeys::split, "rows that training never saw, or those that it read",
              {{"held_out", SplitName::held_out}, {"train", SplitName::train}})
      .param("rows", &ScoreKeys::rows, "at most so many rows; all of the split when left out",
             at_least(1))
      .param("batch", &ScoreKeys::batch, "rows handed over at a time", between(1, kMostInBatch))
      .param("seed", &ScoreKeys::seed, kSeedDoc, non_negative());
}

Schema<CompareKeys> CompareKeys::schema() {
  return Schema<CompareKeys>{}
      .param("world", &CompareKeys::world, "the world whose reward functions are compared",
             required(), not_empty())
      .param("seed", &CompareKeys::seed, kSeedDoc, non_negative());
}

std::vector<ParamInfo> own_params(std::string_view section) {
  std::vector<ParamInfo> out = schema_params(section);
  for (ParamInfo& info : out) {
    for (const NamedKind& named : kNames) {
      if (info.name != named.key) continue;
      info.type = ParamType::reference;
      info.component_kind = named.kind;
    }
  }
  if (section == "train") {
    out.push_back(free_form("objective", "the reconstruction term of the loss; \"mse\" by default",
                            ParamType::component, "objective"));
    out.push_back(free_form("regularizer", "one table [train.<name>.regularizer.<name>] each",
                            ParamType::table));
    out.push_back(free_form("vary", "a grid: lists of values for keys of its SAEs and regularizers",
                            ParamType::table));
  }
  return out;
}

const std::vector<std::string>& own_key_names(std::string_view section) {
  static const auto* const kNamesOf = [] {
    auto* names = new std::map<std::string, std::vector<std::string>, std::less<>>;
    for (const char* each : {"", "source", "sae", "train", "regularizer", "score", "compare"}) {
      for (const ParamInfo& info : own_params(each)) (*names)[each].push_back(info.name);
    }
    return names;
  }();
  const auto found = kNamesOf->find(section);
  return found != kNamesOf->end() ? found->second : kNamesOf->at("");
}

StreamName parse_stream(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

}  // namespace host
}  // namespace saffron
