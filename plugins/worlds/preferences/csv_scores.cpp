#include "csv.h"
#include "scores.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <charconv>
#include <cmath>

namespace saffron::plugins {
namespace {

constexpr const char* kScore =
    "which columns are scores is said by scores = [...]; decimals have a point";
constexpr const char* kOther =
    "it takes numbers: a label is 1 for what people chose, 0 for the rest";

// A field as a finite number; `of_words` is what to do about a column of words.
double number(const CsvReader& file, std::size_t field, const std::string& column,
              std::string_view of_words) {
  const std::string_view text = file.fields()[field];
  const auto fail = [&](const std::string& what, std::string_view help) {
    file.fail(field, cat("column '", column, "': ", what), help);
  };
  double value = 0;
  // from_chars takes no plus sign.
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
  const auto [end, status] =
      std::from_chars(text.data() + (plus ? 1 : 0), text.data() + text.size(), value);
  if (text.empty()) fail("the field is empty", "leave the response out, or give it a number");
  if (status == std::errc::result_out_of_range) fail(cat(text, " is beyond float64"), {});
  if (status != std::errc() || end != text.data() + text.size()) {
    fail(cat("'", text.substr(0, 40), text.size() > 40 ? "..." : "", "' is not a number"),
         of_words);
  }
  if (!std::isfinite(value)) {
    fail(cat(text, " is not a finite number"), "leave the response out, or give it a number");
  }
  return value;
}

std::string id(const CsvReader& file, std::size_t field, const std::string& column) {
  if (file.fields()[field].empty()) file.fail(field, cat("column '", column, "' is empty"));
  return std::string(file.fields()[field]);
}

}  // namespace

Scores read_csv_scores(const std::filesystem::path& path, const ScoreColumns& columns) {
  const auto mapped = MappedFile::open(path, Access::sequential);
  const std::span<const std::byte> bytes = mapped->bytes();
  CsvReader file({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
  if (!file.next()) throw Error(ErrorKind::data, "the file is empty").within(path.string());
  const std::vector<std::string> names(file.fields().begin(), file.fields().end());
  const ScoreLayout layout = score_layout(columns, names, path.string());

  Scores out;
  out.source = path.string();
  const auto columns_of = [&](const std::vector<std::size_t>& fields) {
    std::vector<Scores::Column> empty;
    for (const std::size_t field : fields) empty.push_back({names[field], {}});
    return empty;
  };
  out.scores = columns_of(layout.scores);
  out.numbers = columns_of(layout.numbers);
  if (layout.label) out.label.emplace(Scores::Column{names[*layout.label], {}});
  if (layout.log_reference)
    out.log_reference.emplace(Scores::Column{names[*layout.log_reference], {}});
  for (const std::size_t field : layout.groups) out.groups.push_back({names[field], {}});
  std::vector<std::pair<std::size_t, Scores::Column*>> numbers;
  for (std::size_t i = 0; i < out.scores.size(); ++i)
    numbers.emplace_back(layout.scores[i], &out.scores[i]);
  for (std::size_t i = 0; i < out.numbers.size(); ++i)
    numbers.emplace_back(layout.numbers[i], &out.numbers[i]);
  if (layout.label) numbers.emplace_back(*layout.label, &*out.label);
  if (layout.log_reference) numbers.emplace_back(*layout.log_reference, &*out.log_reference);
  while (file.next()) {
    const bool blank = file.fields().size() == 1 && file.fields()[0].empty();
    if (blank && names.size() > 1) continue;
    if (file.fields().size() != names.size()) {
      file.fail(0, cat("this record has ", file.fields().size(), " fields, and the header has ",
                       names.size()));
    }
    out.prompts.push_back(id(file, layout.prompt, columns.prompt));
    out.responses.push_back(id(file, layout.response, columns.response));
    out.lines.push_back(file.line());
    for (const auto& [field, column] : numbers) {
      const bool score = field != layout.label && field != layout.log_reference;
      column->values.push_back(number(file, field, names[field], score ? kScore : kOther));
    }
    for (std::size_t i = 0; i < out.groups.size(); ++i) {
      out.groups[i].values.push_back(id(file, layout.groups[i], out.groups[i].name));
    }
  }
  return out;
}

}  // namespace saffron::plugins
