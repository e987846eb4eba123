#include <saffron/error.h>
#include <saffron/preference_metrics.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/triu_indices.h>

#include <algorithm>
#include <map>

namespace saffron::inline sdk_v1::preferences {
namespace {

// What a block may hold: scores, and something of each pair of responses (the latter decides).
constexpr std::int64_t kBlockPrompts = 256, kBlockNumbers = std::int64_t{1} << 21;

std::int64_t prompts_at_once(std::int64_t models, std::int64_t responses) {
  const std::int64_t numbers = models * responses * std::max<std::int64_t>(responses - 1, 2) / 2;
  return std::clamp<std::int64_t>(kBlockNumbers / std::max<std::int64_t>(numbers, 1), 1,
                                  kBlockPrompts);
}

// Of the rows of prompts that are sorted, where each prompt's begin.
at::Tensor begins_of(const at::Tensor& prompts) {
  const at::Tensor sorted = prompts.contiguous();
  const auto* p = sorted.const_data_ptr<std::int64_t>();
  std::vector<std::int64_t> out;
  for (std::int64_t row = 0; row < sorted.size(0); ++row) {
    if (row == 0 || p[row] != p[row - 1]) out.push_back(row);
  }
  out.push_back(sorted.size(0));
  return at::tensor(out, at::kLong);
}

at::Tensor optional_double(const at::Tensor& x) {
  return x.defined() ? x.to(at::kDouble).contiguous() : x;
}

}  // namespace

at::Tensor PromptBlock::take(const at::Tensor& values) const {
  std::vector<std::int64_t> shape = values.sizes().vec();
  shape.back() = responses();
  shape.push_back(count());
  return values.index_select(-1, rows.reshape({-1})).view(shape);
}

at::Tensor pair_differences(const at::Tensor& x) {
  const std::int64_t K = x.size(-2);
  const at::Tensor upper = at::triu_indices(K, K, 1, at::kLong);
  return x.index_select(-2, upper[0]) - x.index_select(-2, upper[1]);
}

const PreferenceWorld& scored(const World& world, std::string_view comparator) {
  const auto* found = dynamic_cast<const PreferenceWorld*>(&world);
  if (found != nullptr) return *found;
  throw Error(cat(comparator, " compares scores of responses to prompts, and this world (",
                  world.info().description, ") has none"))
      .with_help("world = the name of a `preferences` world; see docs/reward-files.md");
}

ScoreTable::ScoreTable(const World& world, std::string_view comparator)
    : names_(world.info().rewards) {
  const PreferenceWorld& found = scored(world, comparator);
  scores_ = found.scores().to(at::kDouble).contiguous();
  labels_ = optional_double(found.labels());
  log_reference_ = optional_double(found.log_reference());
  begins_ = begins_of(found.prompts());
  if (const auto* named = dynamic_cast<const PreferenceColumns*>(&world)) {
    prompt_names_ = named->prompt_names();
    response_names_ = named->response_names();
    columns_ = named->columns();
  }
  require_squares();
  make_blocks();
}

void ScoreTable::require_squares() const {
  constexpr double kLargest = 1e150;
  const at::Tensor largest = scores_.abs().amax(1);
  for (std::int64_t i = 0; i < models(); ++i) {
    const auto size = largest[i].item<double>();
    if (size <= kLargest) continue;
    throw Error(ErrorKind::numeric,
                cat("model '", names_[static_cast<std::size_t>(i)], "' has scores of ", size,
                    ": their squares overflow float64"))
        .with_help("scale them down");
  }
}

void ScoreTable::make_blocks() {
  const auto* begins = begins_.const_data_ptr<std::int64_t>();
  prompt_of_ = at::empty({responses()}, at::kLong);
  std::map<std::int64_t, std::vector<std::int64_t>> by_size;
  for (std::int64_t p = 0; p < prompts(); ++p) {
    by_size[begins[p + 1] - begins[p]].push_back(p);
    std::fill(prompt_of_.mutable_data_ptr<std::int64_t>() + begins[p],
              prompt_of_.mutable_data_ptr<std::int64_t>() + begins[p + 1], p);
  }
  blocks_.clear();
  for (const auto& [K, numbers] : by_size) {
    const at::Tensor all = at::tensor(numbers, at::kLong);
    for (const at::Tensor& prompts : all.split(prompts_at_once(models(), K))) {
      PromptBlock block;
      block.prompts = prompts;
      block.rows =
          (begins_.index_select(0, prompts).unsqueeze(0) + at::arange(K, at::kLong).unsqueeze(1))
              .contiguous();
      block.scores = block.take(scores_);
      blocks_.push_back(std::move(block));
    }
  }
}

std::int64_t ScoreTable::model(const std::string& name, std::string_view option) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found != names_.end()) return found - names_.begin();
  const std::string near = nearest(name, names_.data(), names_.size());
  std::string all;
  for (const std::string& known : names_) all += (all.empty() ? "" : ", ") + known;
  throw Error(cat(option, " = \"", name, "\": the world has no reward model of that name"))
      .with_help(near.empty() ? "there are " + all : "did you mean '" + near + "'?");
}

const ResponseColumn& ScoreTable::column(const std::string& name, std::string_view option,
                                         bool categorical) const {
  std::vector<std::string> known;
  for (const ResponseColumn& column : columns_) {
    known.push_back(column.name);
    if (column.name != name) continue;
    if (column.categorical() == categorical) return column;
    throw Error(cat(option, ": column '", name, "' has ", categorical ? "numbers" : "words",
                    ", and ", categorical ? "words" : "numbers", " are needed"))
        .with_help(cat("list it under ", categorical ? "`groups`" : "`numbers`", " of the world"));
  }
  const std::string near = nearest(name, known.data(), known.size());
  throw Error(cat(option, ": the world has no column '", name, "'"))
      .with_help(!near.empty() ? "did you mean '" + near + "'?"
                               : cat("a `preferences` world reads it with ",
                                     categorical ? "groups" : "numbers", " = [\"", name, "\"]"));
}

std::string ScoreTable::prompt_name(std::int64_t prompt) const {
  return prompt_names_.empty() ? std::to_string(prompt)
                               : prompt_names_[static_cast<std::size_t>(prompt)];
}

std::string ScoreTable::response_name(std::int64_t row) const {
  if (!response_names_.empty()) return response_names_[static_cast<std::size_t>(row)];
  const std::int64_t prompt = prompt_of_[row].item<std::int64_t>();
  return std::to_string(row - begins_[prompt].item<std::int64_t>());
}

std::vector<ScoreTable::Slice> ScoreTable::slices(const std::string& name,
                                                  std::string_view option) const {
  const ResponseColumn& of = column(name, option, true);
  const at::Tensor word = of.values.index_select(0, begins_.slice(0, 0, prompts()));  // [P]
  const at::Tensor other = (word.index_select(0, prompt_of_) != of.values).nonzero();
  if (other.size(0) > 0) {
    const std::int64_t row = other[0][0].item<std::int64_t>();
    const std::int64_t prompt = prompt_of_[row].item<std::int64_t>();
    const auto text = [&](const at::Tensor& number) {
      return of.words[static_cast<std::size_t>(number.item<std::int64_t>())];
    };
    throw Error(ErrorKind::data, cat("the responses to prompt '", prompt_name(prompt), "' have '",
                                     text(word[prompt]), "' and '", text(of.values[row]),
                                     "' in column '", name, "'"))
        .with_help(cat(option, " takes a column that says something of prompts"));
  }
  std::vector<Slice> out;
  for (std::size_t i = 0; i < of.words.size(); ++i) {
    const at::Tensor prompts = (word == static_cast<std::int64_t>(i)).nonzero().view({-1});
    if (prompts.size(0) > 0) out.push_back({name + "=" + of.words[i], where(prompts)});
  }
  return out;
}

ScoreTable ScoreTable::where(const at::Tensor& prompts) const {
  at::Tensor number = at::empty({this->prompts()}, at::kLong).fill_(-1);
  number.index_put_({prompts}, at::arange(prompts.size(0), at::kLong));
  number = number.index_select(0, prompt_of_);
  const at::Tensor rows = (number >= 0).nonzero().view({-1});
  ScoreTable out;
  out.names_ = names_;
  out.scores_ = scores_.index_select(1, rows);
  if (labels_.defined()) out.labels_ = labels_.index_select(0, rows);
  if (log_reference_.defined()) out.log_reference_ = log_reference_.index_select(0, rows);
  out.begins_ = begins_of(number.index_select(0, rows));
  const auto keep = [](const std::vector<std::string>& names, const at::Tensor& which) {
    std::vector<std::string> kept;
    const auto* p = which.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < which.size(0) && !names.empty(); ++i) {
      kept.push_back(names[static_cast<std::size_t>(p[i])]);
    }
    return kept;
  };
  out.prompt_names_ = keep(prompt_names_, prompts.contiguous());
  out.response_names_ = keep(response_names_, rows);
  for (const ResponseColumn& column : columns_) {
    out.columns_.push_back({column.name, column.values.index_select(0, rows), column.words});
  }
  out.make_blocks();
  return out;
}

}  // namespace saffron::inline sdk_v1::preferences
