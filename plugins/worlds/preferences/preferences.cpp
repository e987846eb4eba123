#include "preferences.h"

#include <saffron/error.h>

#include <ATen/ops/empty.h>

#include <cmath>
#include <unordered_map>

namespace saffron::plugins {
namespace {

constexpr double kSum = 1e-4;  // of probabilities, above 1: log probabilities often are float32

[[noreturn]] void fail(const Scores& table, std::size_t row, std::string message,
                       std::string_view help = {}) {
  throw Error(ErrorKind::data, std::move(message)).within(table.place(row)).with_help(help);
}

// Numbers for names, in the order in which they come.
class Numbering {
 public:
  explicit Numbering(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      of.push_back(
          numbers_.try_emplace(name, static_cast<std::int64_t>(numbers_.size())).first->second);
    }
    count = numbers_.size();
  }
  std::vector<std::int64_t> of;
  std::size_t count = 0;

 private:
  std::unordered_map<std::string_view, std::int64_t> numbers_;
};

// The rows of a table by prompt.
class Grouped {
 public:
  Grouped(const Scores& table, Preferences::Single single) : table_(table) {
    if (table.prompts.empty()) {
      throw Error(ErrorKind::data, "there are no responses").within(table.source);
    }
    const Numbering prompts(table.prompts);
    std::vector<std::vector<std::size_t>> rows(prompts.count);
    for (std::size_t row = 0; row < prompts.of.size(); ++row) {
      rows[static_cast<std::size_t>(prompts.of[row])].push_back(row);
    }
    check_responses(rows);
    if (single == Preferences::Single::refuse) refuse_single(rows);
    for (const std::vector<std::size_t>& of_prompt : rows) {
      if (of_prompt.size() == 1) {
        ++dropped;
        continue;
      }
      check_reference(of_prompt);
      for (const std::size_t row : of_prompt) {
        order.push_back(row);
        numbers.push_back(count);
      }
      ++count;
    }
    if (count == 0) {
      fail(table, 0, "no prompt has two responses: there is nothing to choose between");
    }
  }

  std::vector<std::size_t> order;       // rows, by prompt
  std::vector<std::int64_t> numbers;    // of their prompts
  std::int64_t count = 0, dropped = 0;  // prompts

 private:
  void check_responses(const std::vector<std::vector<std::size_t>>& rows) const {
    for (const std::vector<std::size_t>& of_prompt : rows) {
      std::unordered_map<std::string_view, std::size_t> seen;
      for (const std::size_t row : of_prompt) {
        const auto [first, fresh] = seen.try_emplace(table_.responses[row], row);
        if (fresh) continue;
        fail(table_, row,
             cat("response '", table_.responses[row], "' to prompt '", table_.prompts[row],
                 "' comes twice, first at ", table_.place(first->second)),
             "give each response once; different ones need different ids");
      }
    }
  }

  void refuse_single(const std::vector<std::vector<std::size_t>>& rows) const {
    const std::vector<std::size_t>* first = nullptr;
    std::int64_t single = 0;
    for (const std::vector<std::size_t>& of_prompt : rows) {
      if (of_prompt.size() != 1) continue;
      if (first == nullptr) first = &of_prompt;
      ++single;
    }
    if (first == nullptr) return;
    fail(table_, first->front(),
         cat("prompt '", table_.prompts[first->front()], "' has one response",
             single > 1 ? cat(", as have ", single - 1, " more") : std::string(),
             ": there is nothing to choose between"),
         "single_responses = \"drop\" leaves such prompts out");
  }

  // The responses are different ones, so that their probabilities add up to 1 at most.
  void check_reference(const std::vector<std::size_t>& of_prompt) const {
    if (!table_.log_reference) return;
    double sum = 0;
    for (const std::size_t row : of_prompt) {
      const double log = table_.log_reference->values[row];
      if (log > 0) {
        fail(table_, row,
             cat(table_.log_reference->name, " = ", log,
                 " is above 0, so no logarithm of a probability"));
      }
      sum += std::exp(log);
    }
    if (sum <= 1 + kSum) return;
    fail(table_, of_prompt.front(),
         cat("by ", table_.log_reference->name, " the responses to prompt '",
             table_.prompts[of_prompt.front()], "' have a probability of ", sum, " together"),
         "it is the sum over a response's tokens of their log probabilities, not the mean");
  }

  const Scores& table_;
};

at::Tensor gathered(const std::vector<double>& values, const std::vector<std::size_t>& order) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(order.size())}, at::kDouble);
  auto* p = out.mutable_data_ptr<double>();
  for (const std::size_t row : order) *p++ = values[row];
  return out;
}

// Words by number, in the order in which they come.
ResponseColumn words(const Scores::Words& column, const std::vector<std::size_t>& order) {
  ResponseColumn out{
      column.name, at::empty({static_cast<std::int64_t>(order.size())}, at::kLong), {}};
  auto* p = out.values.mutable_data_ptr<std::int64_t>();
  std::unordered_map<std::string_view, std::int64_t> numbers;
  for (const std::size_t row : order) {
    const std::string& word = column.values[row];
    const auto [found, fresh] =
        numbers.try_emplace(word, static_cast<std::int64_t>(numbers.size()));
    if (fresh) out.words.push_back(word);
    *p++ = found->second;
  }
  return out;
}

Scores read(const Preferences::Options& options) {
  const std::filesystem::path path = options.path.value;
  if (path.extension() == ".csv") return read_csv_scores(path, options.columns);
  if (path.extension() == ".safetensors" || path.extension() == ".npz") {
    return read_tensor_scores(path, options.columns);
  }
  Error error(cat("'", path.string(), "' is no .csv, .safetensors or .npz file"));
  if (path.extension() == ".parquet") {
    error.with_help(
        "python -c 'import sys, pandas; "
        "pandas.read_parquet(sys.argv[1]).to_csv(sys.argv[2], index=False)' "
        "scores.parquet scores.csv");
  }
  throw error;
}

}  // namespace

Schema<Preferences::Options> Preferences::schema() {
  auto columns =
      Schema<ScoreColumns>{}
          .param("prompt", &ScoreColumns::prompt, "the column that names prompts", not_empty())
          .param("response", &ScoreColumns::response, "the column that names a prompt's responses",
                 not_empty())
          .param("scores", &ScoreColumns::scores,
                 "the columns with scores, one a reward model; all others when empty")
          .param("label", &ScoreColumns::label,
                 "the column with labels of responses, such as 1 for what people chose and 0 for "
                 "the rest; without it one named `label`, where there is one")
          .param("log_reference", &ScoreColumns::log_reference,
                 "the column with a reference policy's log probability of the whole response; "
                 "without it one named `log_reference`, where there is one")
          .param("numbers", &ScoreColumns::numbers,
                 "further columns of numbers, such as a response's length, that distances may be "
                 "controlled for; they are no scores")
          .param(
              "groups", &ScoreColumns::groups,
              "further columns of words, or integers, such as a prompt's domain, that results may "
              "be broken down by; they are no scores");
  return Schema<Options>{}
      .param("path", &Options::path,
             "a .csv file with a header and a line a response (UTF-8, RFC 4180), or a .safetensors "
             "or .npz file with a tensor [N] for each column, ids being integers. From Parquet: "
             "pandas.read_parquet(\"s.parquet\").to_csv(\"s.csv\", index=False)",
             required(), not_empty(), hashed_file())
      .include(&Options::columns, columns)
      .choice("single_responses", &Options::single_responses,
              "what to do about prompts with one response, which offer no choice",
              {{"refuse", Single::refuse}, {"drop", Single::drop}});
}

Preferences::Preferences(const Options& options) {
  const Scores table = read(options);
  const Grouped groups(table, options.single_responses);
  const auto N = static_cast<std::int64_t>(groups.order.size());
  prompts_ = at::empty({N}, at::kLong);
  std::copy(groups.numbers.begin(), groups.numbers.end(),
            prompts_.mutable_data_ptr<std::int64_t>());
  scores_ = at::empty({static_cast<std::int64_t>(table.scores.size()), N}, at::kDouble);
  for (std::size_t i = 0; i < table.scores.size(); ++i) {
    scores_[static_cast<std::int64_t>(i)].copy_(gathered(table.scores[i].values, groups.order));
    info_.rewards.push_back(table.scores[i].name);
  }
  if (table.label) labels_ = gathered(table.label->values, groups.order);
  if (table.log_reference) log_reference_ = gathered(table.log_reference->values, groups.order);
  for (std::size_t i = 0; i < groups.order.size(); ++i) {
    const std::size_t row = groups.order[i];
    if (i == 0 || groups.numbers[i] != groups.numbers[i - 1]) {
      prompt_names_.push_back(table.prompts[row]);
    }
    response_names_.push_back(table.responses[row]);
  }
  for (const Scores::Column& column : table.numbers) {
    columns_.push_back({column.name, gathered(column.values, groups.order), {}});
  }
  for (const Scores::Words& column : table.groups) columns_.push_back(words(column, groups.order));
  info_.description =
      cat(N, " responses to ", groups.count, groups.count == 1 ? " prompt" : " prompts");
  if (groups.dropped > 0) {
    info_.description += cat("; ", groups.dropped, " with one response left out");
  }
}

}  // namespace saffron::plugins
