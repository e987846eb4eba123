#include <saffron/report.h>

#include <cmath>

namespace saffron::inline sdk_v1 {
namespace {

// ---- Writing ----
// A number that is not finite is null; whole numbers are written without a fraction.

Value number(double value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53: every whole number below is exact
  if (!std::isfinite(value)) return {};
  const bool whole = value == std::trunc(value) && std::abs(value) < kExact;
  return whole && !(value == 0 && std::signbit(value)) ? Value(static_cast<std::int64_t>(value))
                                                       : Value(value);
}

Value numbers(const std::vector<double>& values) {
  Value out = Value::list();
  for (const double value : values) out.push(number(value));
  return out;
}

Value texts(const std::vector<std::string>& values) {
  Value out = Value::list();
  for (const std::string& value : values) out.push(value);
  return out;
}

template <class T, class Make>
Value list_of(const std::vector<T>& items, Make make) {
  Value out = Value::list();
  for (const T& item : items) out.push(make(item));
  return out;
}

Value table_of(Value::Table entries) { return Value(std::move(entries)); }

const char* better_name(Better better) {
  switch (better) {
    case Better::lower: return "lower";
    case Better::higher: return "higher";
    case Better::neither: break;
  }
  return "neither";
}

void set_text(Value& table, std::string_view key, const std::string& text) {
  if (!text.empty()) table.set(key, text);
}

std::string why_undefined(const Metric& metric) {
  if (!metric.undefined.empty()) return metric.undefined;
  return std::isnan(metric.value) ? "not a number" : metric.value > 0 ? "infinite" : "-infinite";
}

Value metric_value(const Metric& metric) {
  const bool defined = metric.undefined.empty() && std::isfinite(metric.value);
  Value out = Value::table();
  out.set("key", metric.key);
  set_text(out, "subject", metric.subject);
  out.set("value", defined ? number(metric.value) : Value());
  if (!defined) out.set("undefined", why_undefined(metric));
  set_text(out, "definition", metric.definition);
  set_text(out, "unit", metric.unit);
  set_text(out, "range", metric.range);
  out.set("better", better_name(metric.better));
  return out;
}

void write(Value& out, const TableBlock& table) {
  out.set("columns", list_of(table.columns, [](const TableBlock::Column& column) {
            return table_of({{"name", column.name, {}},
                             {"unit", column.unit, {}},
                             {"doc", column.doc, {}},
                             {"better", better_name(column.better), {}}});
          }));
  out.set("rows", list_of(table.rows, [](const std::vector<Value>& row) {
            return list_of(row, [](const Value& cell) {
              return cell.type() == Value::Type::real ? number(cell.as_real()) : cell;
            });
          }));
}

void write_axes(Value& out, const std::string& x_label, const std::string& y_label) {
  out.set("x_label", x_label);
  out.set("y_label", y_label);
}

void write(Value& out, const SeriesBlock& series) {
  write_axes(out, series.x_label, series.y_label);
  out.set("log_x", series.log_x);
  out.set("log_y", series.log_y);
  out.set("lines", list_of(series.lines, [](const SeriesBlock::Line& line) {
            return table_of(
                {{"name", line.name, {}}, {"x", numbers(line.x), {}}, {"y", numbers(line.y), {}}});
          }));
}

void write(Value& out, const HistogramBlock& histogram) {
  write_axes(out, histogram.x_label, histogram.y_label);
  out.set("edges", numbers(histogram.edges));
  out.set("parts", list_of(histogram.parts, [](const HistogramBlock::Part& part) {
            return table_of({{"name", part.name, {}}, {"counts", numbers(part.counts), {}}});
          }));
  set_text(out, "note", histogram.note);
}

void write(Value& out, const MatrixBlock& matrix) {
  out.set("row_labels", texts(matrix.row_labels));
  out.set("column_labels", texts(matrix.column_labels));
  out.set("cells", numbers(matrix.cells));
  out.set("value_label", matrix.value_label);
}

void write(Value& out, const ScatterBlock& scatter) {
  write_axes(out, scatter.x_label, scatter.y_label);
  out.set("log_x", scatter.log_x);
  out.set("log_y", scatter.log_y);
  out.set("groups", list_of(scatter.groups, [](const ScatterBlock::Group& group) {
            return table_of({{"name", group.name, {}},
                             {"x", numbers(group.x), {}},
                             {"y", numbers(group.y), {}},
                             {"labels", texts(group.labels), {}}});
          }));
}

// Tokens are the bulk of a report: two parallel lists, not a table each.
Value context_value(const ContextsBlock::Context& context) {
  Value tokens = Value::list();
  Value strengths = Value::list();
  for (const ContextsBlock::Token& token : context.tokens) {
    tokens.push(token.text);
    strengths.push(number(token.strength));
  }
  return table_of({{"tokens", std::move(tokens), {}},
                   {"strengths", std::move(strengths), {}},
                   {"where", context.where, {}},
                   {"peak", number(context.peak), {}}});
}

void write(Value& out, const ContextsBlock& contexts) {
  out.set("groups", list_of(contexts.groups, [](const ContextsBlock::Group& group) {
            return table_of({{"title", group.title, {}},
                             {"note", group.note, {}},
                             {"contexts", list_of(group.contexts, context_value), {}}});
          }));
}

void write(Value& out, const TextBlock& text) { out.set("text", text.text); }

const char* type_of(const TableBlock&) { return "table"; }
const char* type_of(const SeriesBlock&) { return "series"; }
const char* type_of(const HistogramBlock&) { return "histogram"; }
const char* type_of(const MatrixBlock&) { return "matrix"; }
const char* type_of(const ScatterBlock&) { return "scatter"; }
const char* type_of(const ContextsBlock&) { return "contexts"; }
const char* type_of(const TextBlock&) { return "text"; }

Value block_value(const Block& block) {
  return std::visit(
      [&block](const auto& body) {
        Value out = Value::table();
        out.set("type", type_of(body));
        set_text(out, "title", block.title);
        set_text(out, "caption", block.caption);
        write(out, body);
        return out;
      },
      block.body);
}

}  // namespace

Value to_value(const Report& report) {
  return table_of({{"metrics", list_of(report.metrics, metric_value), {}},
                   {"blocks", list_of(report.blocks, block_value), {}}});
}

}  // namespace saffron::inline sdk_v1
