#pragma once

#include <saffron/value.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

// What a scorer or comparator returns: named numbers, and typed blocks that show them.
//
// `results.json` (metrics) and `report.json` (blocks) are the truth of a run; HTML renders them.
// Undefined is not 0: a metric without a value carries the reason instead.

namespace saffron::inline sdk_v1 {

enum class Better : std::uint8_t { lower, higher, neither };

// One number under one definition. `key` is unique in its report: "fvu", "ce_increase".
struct Metric {
  std::string key;
  double value = 0;
  std::string undefined;   // non-empty: there is no value, and this is why
  std::string definition;  // formula in a line: "sum ||x - xhat||^2 / sum ||x - mean x||^2"
  std::string unit;        // "nats", "" for a ratio
  std::string range;       // "[0, inf)"
  Better better = Better::neither;
  std::string subject;  // which SAE, stream or pair of rewards it speaks of: "student[k=8]"
};

// A table of cells: null, bool, int, float or string. `columns[i].unit` may be empty.
struct TableBlock {
  struct Column {
    std::string name, unit, doc;
    Better better = Better::neither;
  };
  std::vector<Column> columns;
  std::vector<std::vector<Value>> rows;
};

// Lines over one axis; a NaN is a gap.
struct SeriesBlock {
  struct Line {
    std::string name;
    std::vector<double> x, y;
  };
  std::string x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<Line> lines;
};

// Counts over bins: edges has one more element than each counts.
struct HistogramBlock {
  struct Part {
    std::string name;
    std::vector<double> counts;
  };
  std::string x_label, y_label;
  std::vector<double> edges;
  std::vector<Part> parts;
  std::string note;  // e.g. how many values lie outside, such as latents that never fired
};

// A labelled matrix as a heat map; NaN cells are blank. Row-major.
struct MatrixBlock {
  std::vector<std::string> row_labels, column_labels;
  std::vector<double> cells;
  std::string value_label;
};

struct ScatterBlock {
  struct Group {
    std::string name;
    std::vector<double> x, y;
    std::vector<std::string> labels;  // empty, or one a point
  };
  std::string x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<Group> groups;
};

// Texts whose tokens carry a strength, grouped: one group a latent, strongest first.
struct ContextsBlock {
  struct Token {
    std::string text;     // valid UTF-8, as shown
    double strength = 0;  // activation at this token, 0 = inactive
  };
  struct Context {
    std::vector<Token> tokens;
    std::string where;  // "king_james_bible.txt, row 17"
    double peak = 0;
  };
  struct Group {
    std::string title;  // "student[k=8] latent 117"
    std::string note;   // "fires on 0.4 % of tokens"
    std::vector<Context> contexts;
  };
  std::vector<Group> groups;
};

struct TextBlock {
  std::string text;  // plain text; blank lines separate paragraphs
};

struct Block {
  std::string title;
  std::string caption;  // one or two sentences: how to read it
  std::variant<TableBlock, SeriesBlock, HistogramBlock, MatrixBlock, ScatterBlock, ContextsBlock,
               TextBlock>
      body;
};

struct Report {
  std::vector<Metric> metrics;
  std::vector<Block> blocks;
};

// The documents' JSON form (docs/report-format.md); from_value throws Error (data).
[[nodiscard]] SAFFRON_EXPORT Value to_value(const Report& report);
[[nodiscard]] SAFFRON_EXPORT Report report_from_value(const Value& value);

}  // namespace saffron::inline sdk_v1
