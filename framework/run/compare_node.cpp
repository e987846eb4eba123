#include "framework/loader/component.h"
#include "framework/run/run_state.h"

#include <saffron/comparator.h>
#include <saffron/io.h>
#include <saffron/log.h>

#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <optional>
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

Block matrix_block(const PairMatrix& matrix, const std::vector<std::string>& rewards) {
  MatrixBlock body;
  body.row_labels = body.column_labels = rewards;
  body.value_label = matrix.key;
  const at::Tensor values = matrix.values.contiguous();
  const double* p = values.const_data_ptr<double>();
  body.cells.assign(p, p + values.numel());
  return {.title = matrix.key, .caption = matrix.definition, .body = std::move(body)};
}

const PairMatrix* find(const std::vector<PairMatrix>& metrics, const std::string& key) {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const PairMatrix& matrix) { return matrix.key == key; });
  return found == metrics.end() ? nullptr : &*found;
}

// Ends of another metric's interval, `key/low` and `key/high`, share a table instead of heat maps.
bool is_interval_end(const std::string& key, const std::vector<PairMatrix>& metrics) {
  return std::any_of(metrics.begin(), metrics.end(), [&](const PairMatrix& other) {
    return key == other.key + "/low" || key == other.key + "/high";
  });
}

// Whether a matrix says the same of (a, b) as of (b, a), also where it says nothing.
bool symmetric(const at::Tensor& x) {
  const at::Tensor y = x.t();
  return ((x == y) | (x.isnan() & y.isnan())).all().item<bool>();
}

void add_intervals(const PairMatrix& value, const PairMatrix& low, const PairMatrix& high,
                   const std::vector<std::string>& rewards, TableBlock& out) {
  const auto count = static_cast<std::int64_t>(rewards.size());
  const bool once = symmetric(value.values) && symmetric(low.values) && symmetric(high.values);
  for (std::int64_t a = 0; a < count; ++a) {
    for (std::int64_t b = once ? a + 1 : 0; b < count; ++b) {
      if (a == b) continue;
      std::vector<Value> row = {Value(value.key), Value(rewards[static_cast<std::size_t>(a)]),
                                Value(rewards[static_cast<std::size_t>(b)])};
      for (const PairMatrix* of : {&value, &low, &high}) {
        const auto x = of->values[a][b].item<double>();
        row.push_back(std::isfinite(x) ? Value(x) : Value());
      }
      out.rows.push_back(std::move(row));
    }
  }
}

std::optional<Block> intervals_block(const std::vector<PairMatrix>& metrics,
                                     const std::vector<std::string>& rewards) {
  TableBlock table;
  std::string caption;
  for (const PairMatrix& matrix : metrics) {
    const PairMatrix* low = find(metrics, matrix.key + "/low");
    const PairMatrix* high = find(metrics, matrix.key + "/high");
    if (low == nullptr || high == nullptr) continue;
    if (caption.empty())
      caption = cat("All like the first one. ", low->definition,
                    ". Blank: there is none; results.json says why.");
    add_intervals(matrix, *low, *high, rewards, table);
  }
  if (table.rows.empty()) return std::nullopt;
  table.columns = {{"metric", "", ""},
                   {"a", "", "reward 1"},
                   {"b", "", "reward 2"},
                   {"value", "", ""},
                   {"low", "", "lower end of the interval"},
                   {"high", "", "its upper end"}};
  return Block{.title = "Intervals", .caption = caption, .body = std::move(table)};
}

std::string listed(const char* before, const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? before : ", ") + word;
  return text;
}

std::string in_words(const Certificate& c) {
  std::string text = cat(c.metric, ": ", c.pseudometric ? "a pseudometric" : "not a pseudometric",
                         " in [", c.low, ", ", c.high, std::isinf(c.high) ? ")" : "]",
                         c.sound ? "; it bounds worst-case regret" : "; it does not bound regret");
  if (c.sound && c.U) text += cat(" (regret <= ", *c.U, " times the distance)");
  if (c.complete) text += "; large distances mean that large regret is possible";
  if (c.complete && c.L) text += cat(" (regret >= ", *c.L, " times the distance)");
  text += listed(". Blind to ", c.invariant_to) + listed(". Needs ", c.needs) + ".";
  if (!c.covers.empty()) text += " Covers " + c.covers + ".";
  if (!c.caveat.empty()) text += " " + c.caveat;
  return text;
}

Value compare(RunState& run, const NodeSpec& node) {
  const c10::AutoGradMode no_grad(false);
  const Place place("comparator " + node.component.use, node.path(), node.origin);
  const auto world = run.objects.world(node.compare().world);
  const auto comparator =
      run.objects.create<Comparator>(node.component, node.path(), node.compare().seed);
  Comparison comparison = guard(place, [&] { return comparator->compare(*world); });
  const std::vector<std::string>& rewards = world->info().rewards;

  Value out = Value::table();
  out.set("world", world->info().description);
  out.set("pairs", pairs_value(comparison, rewards));
  Value certificates = Value::list();
  std::string words;
  for (const Certificate& c : comparison.certificates) {
    certificates.push(certificate_value(c));
    if (is_interval_end(c.metric, comparison.metrics)) continue;
    words += (words.empty() ? "" : "\n\n") + in_words(c);
  }
  out.set("certificates", std::move(certificates));
  out.set("degenerate", texts(comparison.degenerate));

  Report report;
  for (const PairMatrix& matrix : comparison.metrics) {
    if (is_interval_end(matrix.key, comparison.metrics)) continue;
    report.blocks.push_back(matrix_block(matrix, rewards));
  }
  if (auto block = intervals_block(comparison.metrics, rewards)) {
    report.blocks.push_back(std::move(*block));
  }
  for (const std::string& warning : comparison.degenerate) words += "\n\n" + warning;
  if (!words.empty()) {
    report.blocks.push_back(
        {.title = "What these distances promise", .caption = "", .body = TextBlock{words}});
  }
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
