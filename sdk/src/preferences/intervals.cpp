#include <saffron/error.h>
#include <saffron/preference_intervals.h>

#include <ATen/ops/full.h>

#include <cmath>
#include <limits>
#include <utility>

namespace saffron::inline sdk_v1::preferences {
namespace {

Value number(double x) { return std::isnan(x) ? Value() : Value(x); }

TableBlock::Column column(const char* name, const char* doc) { return {name, "", doc}; }

std::vector<TableBlock::Column> columns(double confidence) {
  const std::string share = cat(100 * confidence, " % interval: ");
  return {column("metric", ""),
          column("model", ""),
          column("value", "of all prompts"),
          {"low", "", share + "its lower end"},
          {"high", "", share + "its upper end"}};
}

}  // namespace

std::string WithIntervals::drawn_anew() const {
  return cat("Prompts are drawn anew ", options_.resamples,
             " times, with all their responses. What differs between these prompts and others of "
             "their kind is in the interval; what differs between other responses to them is not");
}

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
  const std::string of =
      cat(" end of the ", 100 * options_.confidence, " % interval of ", metric.key, ". ");
  low.definition = "Lower" + of + drawn_anew();
  high.definition = "Upper" + of + drawn_anew();
  const at::Tensor undefined = metric.values.isnan();
  low.values = found.low.masked_fill(undefined, std::numeric_limits<double>::quiet_NaN());
  high.values = found.high.masked_fill(undefined, std::numeric_limits<double>::quiet_NaN());
  for (std::int64_t a = 0; a < R; ++a) {
    for (std::int64_t b = 0; b < R; ++b) {
      const auto at = static_cast<std::size_t>(a * R + b);
      if (!std::isnan(low.values[a][b].item<double>())) continue;
      for (PairMatrix* end : {&low, &high}) {
        end->reasons.resize(static_cast<std::size_t>(R * R));
        if (end->reasons[at].empty()) end->reasons[at] = why_none();
      }
    }
  }
  for (PairMatrix* matrix : {&metric, &low, &high}) matrices_.push_back(std::move(*matrix));
}

void WithIntervals::add_models(const Metric& like, const at::Tensor& values) {
  const auto R = static_cast<std::int64_t>(names_.size());
  Interval found;
  if (values.size(0) > 1) found = percentile_interval(values.slice(0, 1), options_.confidence);
  models_.columns = columns(options_.confidence);
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
  if (models_.rows.empty()) return;
  for (std::vector<Value>& row : models_.rows) row[0] = Value(row[0].as_string() + suffix);
  out.report.blocks.push_back(
      {.title = "Models" + suffix, .caption = drawn_anew() + ".", .body = std::move(models_)});
}

}  // namespace saffron::inline sdk_v1::preferences
