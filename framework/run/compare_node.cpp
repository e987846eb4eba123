#include "framework/loader/component.h"
#include "framework/run/compare_report.h"
#include "framework/run/run_state.h"

#include <saffron/comparator.h>
#include <saffron/io.h>
#include <saffron/log.h>

#include <c10/core/GradMode.h>

#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

Value texts(const std::vector<std::string>& list) {
  Value out = Value::list();
  for (const std::string& text : list) out.push(text);
  return out;
}

Value certificate_value(const Certificate& c) {
  Value out = Value::table();
  out.set("metric", c.metric);
  out.set("needs", texts(c.needs));
  out.set("invariant_to", texts(c.invariant_to));
  out.set("pseudometric", c.pseudometric);
  out.set("sound", c.sound);
  out.set("complete", c.complete);
  out.set("U", c.U ? Value(*c.U) : Value());
  out.set("L", c.L ? Value(*c.L) : Value());
  Value range = Value::list();
  range.push(c.low);
  range.push(c.high);
  out.set("range", std::move(range));
  out.set("covers", c.covers);
  out.set("caveat", c.caveat);
  return out;
}

// One entry an ordered pair of rewards: every metric's value, null where undefined, with the reason.
Value pairs_value(const Comparison& comparison, const std::vector<std::string>& rewards) {
  Value out = Value::list();
  for (std::size_t a = 0; a < rewards.size(); ++a) {
    for (std::size_t b = 0; b < rewards.size(); ++b) {
      Value pair = Value::table();
      pair.set("a", rewards[a]);
      pair.set("b", rewards[b]);
      Value metrics = Value::table(), undefined = Value::table();
      for (const PairMatrix& matrix : comparison.metrics) {
        const double value =
            matrix.values[static_cast<std::int64_t>(a)][static_cast<std::int64_t>(b)]
                .item<double>();
        metrics.set(matrix.key, std::isfinite(value) ? Value(value) : Value());
        const std::size_t at = a * rewards.size() + b;
        if (at < matrix.reasons.size() && !matrix.reasons[at].empty()) {
          undefined.set(matrix.key, matrix.reasons[at]);
        } else if (std::isinf(value)) {
          undefined.set(matrix.key, "it overflows float64");
        }
      }
      pair.set("metrics", std::move(metrics));
      pair.set("undefined", std::move(undefined));
      out.push(std::move(pair));
    }
  }
  return out;
}

// Some of which may be missing, or end without a full stop.
std::string sentences(std::initializer_list<const char*> parts) {
  std::string out;
  for (const char* part : parts) {
    if (part == nullptr || *part == '\0') continue;
    out += (out.empty() ? "" : " ") + std::string(part);
    if (out.back() != '.') out += '.';
  }
  return out;
}

Value compare(RunState& run, const NodeSpec& node) {
  const c10::AutoGradMode no_grad(false);
  const Place place("comparator " + node.component.use, node.path(), node.origin);
  const auto world = run.objects.world(node.compare().world);
  const auto comparator =
      run.objects.create<Comparator>(node.component, node.path(), node.compare().seed);
  Comparison comparison = guard(place, [&] { return comparator->compare(*world); });
  const std::vector<std::string>& rewards = world->info().rewards;
  if (rewards.size() == 1) {
    comparison.degenerate.push_back(
        cat("there is one reward, '", rewards[0], "', and nothing to compare it with"));
  }

  Value out = Value::table();
  out.set("world", world->info().description);
  out.set("pairs", pairs_value(comparison, rewards));
  Value certificates = Value::list();
  for (const Certificate& c : comparison.certificates) certificates.push(certificate_value(c));
  out.set("certificates", std::move(certificates));
  out.set("degenerate", texts(comparison.degenerate));

  const saffron_component& row =
      run.objects.catalog().load(node.component.kind, node.component.id).row();
  Report report;
  report.blocks = comparison_blocks(comparison, rewards, sentences({row.summary, row.doc}));
  for (Block& block : comparison.report.blocks) report.blocks.push_back(std::move(block));
  report.metrics = std::move(comparison.report.metrics);
  out.set("report", to_value(report));
  return out;
}

}  // namespace

Value run_compare_node(RunState& run, const NodeSpec& node) {
  run.progress.begin("comparing " + node.name);
  const Value document = run.identity.compare(node);
  if (const auto folder = run.find_cached("compare", node.path(), document)) {
    const fs::path file = *folder / "result.json";
    return from_json(read_text(file), file.string());
  }
  Value result = compare(run, node);
  run.progress.end();
  run.progress.say(cat("  compared ", node.name));
  run.keep("compare", node.path(), document, [&](const fs::path& folder) {
    write_file_atomic(folder / "result.json", to_json(result) + "\n");
  });
  return result;
}

}  // namespace saffron::host
