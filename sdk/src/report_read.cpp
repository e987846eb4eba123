#include <saffron/report.h>

#include <limits>

namespace saffron::inline sdk_v1 {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// A value of the document together with its place: "blocks[2].lines[0].y".
class Reader {
 public:
  Reader(const Value& value, std::string place) : value_(&value), place_(std::move(place)) {}

  [[nodiscard]] bool absent() const { return value_->is_null(); }

  // A member; absent ones are readers of null.
  [[nodiscard]] Reader at(std::string_view key) const {
    if (!value_->is_table()) fail("a table");
    static const Value null;
    const Value* found = value_->find(key);
    return {found != nullptr ? *found : null,
            place_.empty() ? std::string(key) : cat(place_, ".", key)};
  }

  [[nodiscard]] std::string text() const {
    if (absent()) return {};
    if (!value_->is_string()) fail("a string");
    return value_->as_string();
  }

  [[nodiscard]] bool flag() const {
    if (absent()) return false;
    if (!value_->is_bool()) fail("true or false");
    return value_->as_bool();
  }

  [[nodiscard]] double number() const {
    if (absent()) return kNaN;
    if (!value_->is_number()) fail("a number or null");
    return value_->as_real();
  }

  [[nodiscard]] Better better() const {
    const std::string name = text();
    if (name == "lower") return Better::lower;
    if (name == "higher") return Better::higher;
    if (name != "neither" && !name.empty()) fail("'lower', 'higher' or 'neither'");
    return Better::neither;
  }

  template <class Read>
  [[nodiscard]] auto list(Read read) const {
    std::vector<decltype(read(*this))> out;
    const Value::List& items = this->items();
    out.reserve(items.size());
    for (const Value& item : items) out.push_back(read(item_reader(item, out.size())));
    return out;
  }

  // Long lists of plain items: a place is made only for an item that is wrong.
  [[nodiscard]] std::vector<double> numbers() const {
    std::vector<double> out;
    const Value::List& items = this->items();
    out.reserve(items.size());
    for (const Value& item : items) {
      out.push_back(item.is_number() ? item.as_real() : item_reader(item, out.size()).number());
    }
    return out;
  }

  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> out;
    const Value::List& items = this->items();
    out.reserve(items.size());
    for (const Value& item : items) {
      if (!item.is_string()) item_reader(item, out.size()).fail("a string");
      out.push_back(item.as_string());
    }
    return out;
  }

  [[nodiscard]] Value cell() const {
    if (value_->is_list() || value_->is_table()) fail("null, a bool, a number or a string");
    return *value_;
  }

  [[noreturn]] void fail(std::string_view wanted) const {
    const std::string shown =
        value_->is_string() ? cat(" '", value_->as_string(), "'") : std::string();
    throw Error(ErrorKind::data, cat("a report's '", place_, "' must be ", wanted, ", not ",
                                     value_->type_name(), shown))
        .at(value_->origin());
  }

  void expect_size(std::string_view what, std::size_t found, std::size_t wanted) const {
    if (found == wanted) return;
    throw Error(ErrorKind::data,
                cat("a report's '", place_, "' has ", found, " ", what, " instead of ", wanted))
        .at(value_->origin());
  }

 private:
  [[nodiscard]] const Value::List& items() const {
    static const Value::List none;
    if (absent()) return none;
    if (!value_->is_list()) fail("a list");
    return value_->as_list();
  }

  [[nodiscard]] Reader item_reader(const Value& item, std::size_t i) const {
    return {item, cat(place_, "[", i, "]")};
  }

  const Value* value_;
  std::string place_;
};

Metric read_metric(const Reader& value) {
  Metric metric;
  metric.key = value.at("key").text();
  if (metric.key.empty()) value.fail("a metric with a 'key'");
  metric.value = value.at("value").number();
  metric.undefined = value.at("undefined").text();
  if (value.at("value").absent() && metric.undefined.empty()) metric.undefined = "undefined";
  metric.definition = value.at("definition").text();
  metric.unit = value.at("unit").text();
  metric.range = value.at("range").text();
  metric.better = value.at("better").better();
  metric.subject = value.at("subject").text();
  return metric;
}

TableBlock read_table(const Reader& value) {
  TableBlock table;
  table.columns = value.at("columns").list([](const Reader& column) {
    return TableBlock::Column{column.at("name").text(), column.at("unit").text(),
                              column.at("doc").text(), column.at("better").better()};
  });
  const std::size_t width = table.columns.size();
  table.rows = value.at("rows").list([width](const Reader& row) {
    std::vector<Value> cells = row.list([](const Reader& cell) { return cell.cell(); });
    row.expect_size("cells", cells.size(), width);
    return cells;
  });
  return table;
}

SeriesBlock read_series(const Reader& value) {
  SeriesBlock series;
  series.x_label = value.at("x_label").text();
  series.y_label = value.at("y_label").text();
  series.log_x = value.at("log_x").flag();
  series.log_y = value.at("log_y").flag();
  series.lines = value.at("lines").list([](const Reader& item) {
    SeriesBlock::Line line{item.at("name").text(), item.at("x").numbers(), item.at("y").numbers()};
    item.at("y").expect_size("numbers", line.y.size(), line.x.size());
    return line;
  });
  return series;
}

HistogramBlock read_histogram(const Reader& value) {
  HistogramBlock histogram;
  histogram.x_label = value.at("x_label").text();
  histogram.y_label = value.at("y_label").text();
  histogram.edges = value.at("edges").numbers();
  const std::size_t edges = histogram.edges.size();
  histogram.parts = value.at("parts").list([edges](const Reader& item) {
    HistogramBlock::Part part{item.at("name").text(), item.at("counts").numbers()};
    item.at("counts").expect_size("counts", part.counts.size(), edges > 0 ? edges - 1 : 0);
    return part;
  });
  histogram.note = value.at("note").text();
  return histogram;
}

MatrixBlock read_matrix(const Reader& value) {
  MatrixBlock matrix;
  matrix.row_labels = value.at("row_labels").texts();
  matrix.column_labels = value.at("column_labels").texts();
  matrix.cells = value.at("cells").numbers();
  value.at("cells").expect_size("cells", matrix.cells.size(),
                                matrix.row_labels.size() * matrix.column_labels.size());
  matrix.value_label = value.at("value_label").text();
  return matrix;
}

ScatterBlock read_scatter(const Reader& value) {
  ScatterBlock scatter;
  scatter.x_label = value.at("x_label").text();
  scatter.y_label = value.at("y_label").text();
  scatter.log_x = value.at("log_x").flag();
  scatter.log_y = value.at("log_y").flag();
  scatter.groups = value.at("groups").list([](const Reader& item) {
    ScatterBlock::Group group{item.at("name").text(), item.at("x").numbers(),
                              item.at("y").numbers(), item.at("labels").texts()};
    item.at("y").expect_size("numbers", group.y.size(), group.x.size());
    if (!group.labels.empty()) {
      item.at("labels").expect_size("labels", group.labels.size(), group.x.size());
    }
    return group;
  });
  return scatter;
}

ContextsBlock::Context read_context(const Reader& value) {
  ContextsBlock::Context context;
  const std::vector<std::string> tokens = value.at("tokens").texts();
  const std::vector<double> strengths = value.at("strengths").numbers();
  value.at("strengths").expect_size("numbers", strengths.size(), tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    context.tokens.push_back({tokens[i], strengths[i]});
  }
  context.where = value.at("where").text();
  context.peak = value.at("peak").number();
  return context;
}

ContextsBlock read_contexts(const Reader& value) {
  return {value.at("groups").list([](const Reader& group) {
    return ContextsBlock::Group{group.at("title").text(), group.at("note").text(),
                                group.at("contexts").list(read_context)};
  })};
}

Block read_block(const Reader& value) {
  Block block;
  block.title = value.at("title").text();
  block.caption = value.at("caption").text();
  const std::string type = value.at("type").text();
  if (type == "table") {
    block.body = read_table(value);
  } else if (type == "series") {
    block.body = read_series(value);
  } else if (type == "histogram") {
    block.body = read_histogram(value);
  } else if (type == "matrix") {
    block.body = read_matrix(value);
  } else if (type == "scatter") {
    block.body = read_scatter(value);
  } else if (type == "contexts") {
    block.body = read_contexts(value);
  } else if (type == "text") {
    block.body = TextBlock{value.at("text").text()};
  } else {
    value.at("type").fail(
        "'table', 'series', 'histogram', 'matrix', 'scatter', 'contexts' or 'text'");
  }
  return block;
}

}  // namespace

Report report_from_value(const Value& value) {
  const Reader reader(value, "");
  if (!value.is_table()) {
    throw Error(ErrorKind::data, cat("a report must be a table, not ", value.type_name()))
        .at(value.origin());
  }
  return {reader.at("metrics").list(read_metric), reader.at("blocks").list(read_block)};
}

}  // namespace saffron::inline sdk_v1
