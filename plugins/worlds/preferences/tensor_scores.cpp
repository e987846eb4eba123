#include "scores.h"

#include <saffron/archives.h>
#include <saffron/error.h>

#include <ATen/core/Tensor.h>

#include <cmath>

namespace saffron::plugins {
namespace {

class Columns {
 public:
  Columns(const TensorReader& file, const std::vector<std::string>& names)
      : file_(file), names_(names) {}

  std::vector<std::string> ids(std::size_t column) {
    const at::Tensor values = read(column);
    if (values.is_floating_point()) {
      fail(cat(names_[column], " is ", file_.info(names_[column]).dtype, ", not integers"),
           "numbers stand for prompts and responses in a file of tensors; a .csv file may have "
           "names");
    }
    const at::Tensor whole = values.to(at::kLong).contiguous();
    std::vector<std::string> out;
    for (std::int64_t i = 0; i < rows_; ++i) {
      out.push_back(std::to_string(whole.const_data_ptr<std::int64_t>()[i]));
    }
    return out;
  }

  Scores::Column numbers(std::size_t column) {
    const at::Tensor values = read(column).to(at::kDouble).contiguous();
    const auto* p = values.const_data_ptr<double>();
    for (std::int64_t i = 0; i < rows_; ++i) {
      if (std::isfinite(p[i])) continue;
      fail(cat(names_[column], "[", i, "] = ", p[i], " is not a finite number"),
           "leave the response out, or give it a number");
    }
    return {names_[column], {p, p + rows_}};
  }

 private:
  at::Tensor read(std::size_t column) {
    at::Tensor values = file_.tensor(names_[column]);
    if (rows_ < 0 && values.dim() == 1) rows_ = values.size(0);
    if (values.dim() != 1 || values.size(0) != rows_) {
      fail(cat(names_[column], " has the shape ", values.sizes(), ", not [N]",
               rows_ < 0 ? std::string() : cat(" = [", rows_, "]")),
           "each column is a tensor with one number a response");
    }
    return values;
  }
  [[noreturn]] void fail(std::string message, std::string_view help) const {
    throw Error(ErrorKind::data, std::move(message)).within(file_.path()).with_help(help);
  }

  const TensorReader& file_;
  const std::vector<std::string>& names_;
  std::int64_t rows_ = -1;
};

}  // namespace

Scores read_tensor_scores(const std::filesystem::path& path, const ScoreColumns& columns) {
  const std::unique_ptr<TensorReader> file = open_tensors(path);
  std::vector<std::string> names;
  for (const TensorInfo& info : file->tensors()) names.push_back(info.name);
  const ScoreLayout layout = score_layout(columns, names, path.string());
  Columns reader(*file, names);
  Scores out;
  out.source = path.string();
  out.prompts = reader.ids(layout.prompt);
  out.responses = reader.ids(layout.response);
  for (const std::size_t column : layout.scores) out.scores.push_back(reader.numbers(column));
  if (layout.label) out.label = reader.numbers(*layout.label);
  if (layout.log_reference) out.log_reference = reader.numbers(*layout.log_reference);
  for (const std::size_t column : layout.numbers) out.numbers.push_back(reader.numbers(column));
  for (const std::size_t column : layout.groups) {
    out.groups.push_back({names[column], reader.ids(column)});
  }
  return out;
}

}  // namespace saffron::plugins
