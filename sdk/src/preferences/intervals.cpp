#include <saffron/error.h>
#include <saffron/preference_intervals.h>

#include <ATen/ops/full.h>

#include <cmath>
#include <limits>
#include <utility>

namespace saffron::inline sdk_v1::preferences {
namespace {

Value number(double x) { return std::isnan(x) ? Value() : Value(x); }

// Whether a matrix says the same of (a, b) as of (b, a), also where it says nothing.
bool symmetric(const at::Tensor& x) {
  const at::Tensor y = x.t();
  return ((x == y) | (x.isnan() & y.isnan())).all().item<bool>();
}

TableBlock::Column column(const char* name, const char* doc) { return {name, "", doc}; }

std::vector<TableBlock::Column> columns(bool pairs, double confidence) {
  std::vector<TableBlock::Column> out = {column("metric", "")};
  if (pairs) {
    out.push_back(column("a", "reward 1"));
    out.push_back(column("b", "reward 2"));
  } else {
    out.push_back(column("model", ""));
  }
  out.push_back(column("value", "of all prompts"));
  const std::string share = cat(100 * confidence, " % interval: ");
  out.push_back({"low", "", share + "its lower end"});
  out.push_back({"high", "", share + "its upper end"});
  return out;
}

}  // namespace

std::string WithIntervals::why_none() const {
  return prompts_ < 2 ? "there is one prompt: an interval needs two at least"
                      : "it is undefined in more than one in twenty resamples";
}

void WithIntervals::add_pairs(std::string key, std::string definition, const at::Tensor& values,
                              std::vector<std::string> reasons, Better better) {
  PairMatrix metric{std::move(key), values[0].clone(), std::move(reasons), std::move(definition),
                    better};
  const auto R = static_cast<std::int64_t>(names_.size());
  if (options_.resamples == 0) return matrices_.push_back(std::move(metric));
  const at::Tensor none = at::full({R, R}, std::numeric_limits<double>::quiet_NaN(), at::kDouble);
  const Interval found = values.size(0) > 1
                             ? percentile_interval(values.slice(0, 1), options_.confidence)
                             : Interval{none, none};
  PairMatrix low = metric, high = metric;
  low.key += "/low";
  high.key += "/high";
  low.definition = cat("lower end of the ", 100 * options_.confidence, " % interval of ",
                       metric.key, ", by resampling prompts");
  high.definition = cat("upper end of the ", 100 * options_.confidence, " % interval of ",
                        metric.key, ", by resampling prompts");
  const at::Tensor undefined = metric.values.isnan();
  low.values = found.low.masked_fill(undefined, std::numeric_limits<double>::quiet_NaN());
  high.values = found.high.masked_fill(undefined, std::numeric_limits<double>::quiet_NaN());
  pairs_.columns = columns(true, options_.confidence);
  const bool twice = !symmetric(metric.values);
  for (std::int64_t a = 0; a < R; ++a) {
    for (std::int64_t b = 0; b < R; ++b) {
      const auto at = static_cast<std::size_t>(a * R + b);
      if (std::isnan(low.values[a][b].item<double>())) {
        for (PairMatrix* end : {&low, &high}) {
          end->reasons.resize(static_cast<std::size_t>(R * R));
          if (end->reasons[at].empty()) end->reasons[at] = why_none();
        }
      }
      if (a == b || (!twice && a > b)) continue;
      pairs_.rows.push_back(
          {Value(metric.key), Value(names_[static_cast<std::size_t>(a)]),
           Value(names_[static_cast<std::size_t>(b)]), number(metric.values[a][b].item<double>()),
           number(low.values[a][b].item<double>()), number(high.values[a][b].item<double>())});
    }
  }
  for (PairMatrix* matrix : {&metric, &low, &high}) matrices_.push_back(std::move(*matrix));
}

void WithIntervals::add_models(const Metric& like, const at::Tensor& values) {
  const auto R = static_cast<std::int64_t>(names_.size());
  Interval found;
  if (values.size(0) > 1) found = percentile_interval(values.slice(0, 1), options_.confidence);
  models_.columns = columns(false, options_.confidence);
  const std::string why = like.undefined;
  for (std::int64_t i = 0; i < R; ++i) {
    std::vector<Value> row = {Value(like.key), Value(names_[static_cast<std::size_t>(i)])};
    const auto push = [&](const char* end, double value, const std::string& undefined) {
      Metric one = like;
      one.key += end;
      one.subject = names_[static_cast<std::size_t>(i)];
      one.value = value;
      one.undefined = std::isnan(value) ? undefined : "";
      if (*end != '\0') one.better = Better::neither;
      row.push_back(number(value));
      numbers_.push_back(std::move(one));
    };
    const double value = values[0][i].item<double>();
    push("", value, why);
    if (options_.resamples > 0) {
      for (const auto& [end, of] :
           {std::pair("/low", &found.low), std::pair("/high", &found.high)}) {
        const bool known = of->defined() && !std::isnan(value);
        push(end, known ? (*of)[i].item<double>() : std::numeric_limits<double>::quiet_NaN(),
             std::isnan(value) ? why : why_none());
      }
    }
    row.resize(models_.columns.size());
    models_.rows.push_back(std::move(row));
  }
}

void WithIntervals::move_to(Comparison& out, const std::string& suffix) {
  const std::string ends[] = {"/low", "/high", ""};
  const auto renamed = [&](std::string& key) {  // "d_starc[domain=code]/low"
    for (const std::string& end : ends) {
      if (!key.ends_with(end)) continue;
      key.insert(key.size() - end.size(), suffix);
      return;
    }
  };
  for (PairMatrix& matrix : matrices_) {
    renamed(matrix.key);
    out.metrics.push_back(std::move(matrix));
  }
  for (Metric& metric : numbers_) {
    renamed(metric.key);
    out.report.metrics.push_back(std::move(metric));
  }
  const std::string caption = cat(
      "Prompts are drawn anew ", options_.resamples,
      " times, with all their responses. What differs between these prompts and others of their "
      "kind is in the interval; what differs between other responses to them is not.");
  for (TableBlock* table : {&models_, &pairs_}) {
    for (std::vector<Value>& row : table->rows) row[0] = Value(row[0].as_string() + suffix);
    if (table->rows.empty()) continue;
    out.report.blocks.push_back({.title = (table == &models_ ? "Models" : "Pairs") + suffix,
                                 .caption = caption,
                                 .body = std::move(*table)});
  }
}

}  // namespace saffron::inline sdk_v1::preferences
