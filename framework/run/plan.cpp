#include "framework/run/run.h"

#include "framework/graph/identity.h"
#include "framework/run/cache.h"
#include "framework/run/digests.h"
#include "framework/run/progress.h"

#include <algorithm>
#include <iomanip>
#include <set>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

std::string bytes_text(double bytes) {
  const char* units[] = {"B", "KB", "MB", "GB", "TB"};
  int unit = 0;
  while (bytes >= 1000 && unit < 4) {
    bytes /= 1000;
    ++unit;
  }
  std::ostringstream out;
  out << std::fixed << std::setprecision(unit == 0 || bytes >= 100 ? 0 : 1) << bytes << " "
      << units[unit];
  return out.str();
}

std::int64_t parameters_of(const SaeSpec& spec, bool trained_only) {
  std::int64_t total = 0;
  for (const ParameterSpec& parameter : spec.parameters) {
    if (trained_only && parameter.frozen) continue;
    std::int64_t count = 1;
    for (std::int64_t n : parameter.shape) count *= n;
    total += count;
  }
  return total;
}

class Plan {
 public:
  Plan(const RunRequest& request, Prepared& prepared)
      : prepared_(prepared),
        recipe_(prepared.recipe()),
        cache_(recipe_.settings.cache),
        digests_(recipe_.settings.cache),
        identity_(recipe_, prepared.catalog(), digests_, request.trust_revisions) {}

  std::string text() {
    out_ << "run      " << recipe_.settings.name << "-" << prepared_.hash().substr(0, 10) << "  in "
         << recipe_.settings.runs << "/\n";
    for (const NodeSpec& node : recipe_.nodes) {
      if (node.section == "train") train(node);
      if (node.section == "score") other(node, "score", identity_.score(node));
      if (node.section == "compare") other(node, "compare", identity_.compare(node));
      if (node.section == "source") source(node);
    }
    const double width = recipe_.settings.dtype == "float64" ? 8 : 4;
    out_ << "memory   about " << bytes_text(width * static_cast<double>(parameters_ + 2 * trained_))
         << " for parameters and optimiser state, up to " << bytes_text(activations(width))
         << " for activations\n"
         << "disk     about " << bytes_text(width * static_cast<double>(2 * parameters_))
         << " for weights, "
         << bytes_text(2 * width * static_cast<double>(parameters_ + 2 * trained_))
         << " for checkpoints while it trains\n";
    return out_.str();
  }

 private:
  void source(const NodeSpec& node) {
    out_ << "source   " << node.name << "  (" << node.component.use << ")  streams:";
    for (const StreamInfo& stream : prepared_.objects().source(node.name)->streams()) {
      out_ << " " << stream.name << " [" << stream.width << "]";
    }
    out_ << "\n";
  }

  // Blocks that are kept, and those that are shuffled together.
  double activations(double width) {
    double bytes = 0;
    std::set<std::string> kept;
    for (const NodeSpec* node : recipe_.section("train")) {
      const TrainSpec& train = node->train();
      const auto blocks = prepared_.objects().blocks(train.source);
      const SourceInfo& info = blocks->info();
      double row = 0;
      for (const StreamInfo& stream : prepared_.objects().source(train.source)->streams()) {
        row += width * static_cast<double>(stream.width);
      }
      const double block = row * static_cast<double>(info.block_rows);
      const double all = static_cast<double>(info.blocks) * block;  // without end: very large
      if (kept.insert(train.source).second) {
        bytes += std::min(all, static_cast<double>(blocks->budget()));
      }
      bytes += static_cast<double>(prepared_.objects().window(train)) * block;
    }
    return bytes;
  }

  void train(const NodeSpec& node) {
    const TrainSpec& spec = node.train();
    out_ << "train    " << node.name << "  " << count_text(spec.rows) << " rows of " << spec.source
         << " in batches of " << spec.batch << "\n";
    for (const TrainGroup& group : spec.groups) {
      std::string cached = "not cached (cache = \"\")";
      if (!recipe_.settings.cache.empty()) {
        std::string name = node.path();
        for (std::size_t i : group.members) name += " " + recipe_.members[i].name;
        const auto lookup = cache_.find("train", name, identity_.train_group(node, group));
        cached = lookup.folder ? "hit" : "miss: " + lookup.reason;
      }
      for (std::size_t i : group.members) {
        const Member& member = recipe_.members[i];
        const SaeSpec& sae = prepared_.objects().sae(member.name)->spec;
        const std::int64_t count = parameters_of(sae, false);
        parameters_ += count;
        trained_ += parameters_of(sae, true);
        out_ << "         " << std::left << std::setw(28) << member.name << " " << std::setw(10)
             << member.component.use << std::right << std::setw(14) << count_text(count)
             << " parameters   " << cached << "\n";
      }
    }
  }

  void other(const NodeSpec& node, const char* kind, const Value& document) {
    std::string cached = "not cached (cache = \"\")";
    if (!recipe_.settings.cache.empty()) {
      const auto lookup = cache_.find(kind, node.path(), document);
      cached = lookup.folder ? "hit" : "miss: " + lookup.reason;
    }
    out_ << std::left << std::setw(9) << kind << std::setw(28) << node.name << " " << std::setw(20)
         << node.component.use << std::right << " " << cached << "\n";
  }

  Prepared& prepared_;
  const Recipe& recipe_;
  ResultCache cache_;
  Digests digests_;
  Identity identity_;
  std::ostringstream out_;
  std::int64_t parameters_ = 0, trained_ = 0;
};

}  // namespace

std::string plan_text(const RunRequest& request) {
  Prepared prepared(request);
  prepared.check();
  return Plan(request, prepared).text();
}

}  // namespace saffron::host
