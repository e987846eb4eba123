#include "tests/caught.h"
#include "tests/plugins/worlds/preferences/support.h"

#include <saffron/archives.h>

#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cctype>
#include <limits>

namespace saffron::plugins {
namespace {

using test::caught;
using testing::ScoresFile;

// "2:7: message | help", with the file's name left out.
std::string refusal(ScoresFile& file) {
  const Error error = caught([&] { (void)Preferences(file.options); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  std::string out = error.where() + ": " + error.message();
  for (std::size_t at; (at = out.find(file.path())) != std::string::npos;) {
    out.erase(at, file.path().size());
    if (std::isdigit(static_cast<unsigned char>(out[at + 1])) != 0) out.erase(at, 1);
  }
  return error.help().empty() ? out : out + " | " + error.help();
}

std::string refusal(const std::string& text) {
  ScoresFile file(text);
  return refusal(file);
}

constexpr const char* kHeader = "prompt_id,response_id,r\n";

TEST(PreferencesRefusals, Numbers) {
  const char* const leave = " | leave the response out, or give it a number";
  const char* const columns =
      " | which columns are scores is said by scores = [...]; decimals have a point";
  EXPECT_EQ(refusal(cat(kHeader, "p,1,nan\n")),
            cat("2:5: column 'r': nan is not a finite number", leave));
  EXPECT_EQ(refusal(cat(kHeader, "p,1,1\np,2,-inf\n")),
            cat("3:5: column 'r': -inf is not a finite number", leave));
  EXPECT_EQ(refusal(cat(kHeader, "p,1,\n")), cat("2:5: column 'r': the field is empty", leave));
  EXPECT_EQ(refusal(cat(kHeader, "p,1,1e999\n")), "2:5: column 'r': 1e999 is beyond float64");
  EXPECT_EQ(refusal(cat(kHeader, "p,1,\"0,5\"\n")),
            cat("2:5: column 'r': '0,5' is not a number", columns));
  EXPECT_EQ(refusal(cat(kHeader, "p,1, 1\n")),
            cat("2:5: column 'r': ' 1' is not a number", columns));
  EXPECT_EQ(refusal(cat(kHeader, "p,1,+-1\n")),
            cat("2:5: column 'r': '+-1' is not a number", columns));
  EXPECT_EQ(refusal(cat(kHeader, "p,1,+\n")), cat("2:5: column 'r': '+' is not a number", columns));
  EXPECT_EQ(refusal(cat(kHeader, "p,,1\n")), "2:3: column 'response_id' is empty");
}

TEST(PreferencesRefusals, FurtherColumns) {
  ScoresFile file("prompt_id,response_id,r,words,domain\np,1,1,many,\n");
  file.options.columns.scores = {"r"};
  file.options.columns.numbers = {"words"};
  EXPECT_EQ(refusal(file).substr(0, 43), "2:7: column 'words': 'many' is not a number");
  file.options.columns.numbers = {};
  file.options.columns.groups = {"domain"};
  EXPECT_EQ(refusal(file), "2:12: column 'domain' is empty");
  file.options.columns.numbers = {"domain"};
  EXPECT_EQ(refusal(file), ": column 'domain' is asked for twice");
  file.options.columns.numbers = {"domains"};
  EXPECT_EQ(refusal(file), ": there is no column 'domains' | did you mean 'domain'?");
}

TEST(PreferencesRefusals, Records) {
  EXPECT_EQ(refusal(""), ": the file is empty");
  EXPECT_EQ(refusal(kHeader), ": there are no responses");
  EXPECT_EQ(refusal(cat(kHeader, "p,1,1\np,2\n")),
            "3:1: this record has 2 fields, and the header has 3");
  EXPECT_EQ(refusal(cat(kHeader, "p,1,1\np,2,3\nq,1,2\np,1,4\n")),
            "5: response '1' to prompt 'p' comes twice, first at 2 | give each response once; "
            "different ones need different ids");
}

TEST(PreferencesRefusals, Singles) {
  const char* const help = " | single_responses = \"drop\" leaves such prompts out";
  EXPECT_EQ(refusal(cat(kHeader, "p,1,1\np,2,3\nq,1,2\n")),
            cat("4: prompt 'q' has one response: there is nothing to choose between", help));
  EXPECT_EQ(
      refusal(cat(kHeader, "p,1,1\nq,2,3\nr,1,2\n")),
      cat("2: prompt 'p' has one response, as have 2 more: there is nothing to choose between",
          help));
  ScoresFile file(cat(kHeader, "p,1,1\nq,2,3\n"));
  file.options.single_responses = Preferences::Single::drop;
  EXPECT_EQ(refusal(file), "2: no prompt has two responses: there is nothing to choose between");
}

TEST(PreferencesRefusals, Columns) {
  EXPECT_EQ(refusal("prompt,response_id,r\n"),
            ": there is no column 'prompt_id' | did you mean 'prompt'? prompt = \"...\" says which "
            "column it is");
  EXPECT_EQ(refusal("prompt_id,response_id\n"), ": there is no column with scores");
  EXPECT_EQ(refusal("prompt_id,response_id,r,r\n"),
            ": there are two columns 'r' | the first line names the columns");
  EXPECT_EQ(
      refusal("prompt_id,response_id,r,\n"),
      ": column 4 has no name | leave it out of the file (pandas: to_csv(index=False)), or say "
      "which columns are scores: scores = [...]");
  EXPECT_EQ(
      refusal("prompt_id;response_id;r\n"),
      ": there is no column 'prompt_id' | commas stand between fields, and the first line has "
      "none");
  EXPECT_EQ(refusal("prompt_id,response_id,r,label\np,1,0.5,yes\n"),
            "2:9: column 'label': 'yes' is not a number | it takes numbers: a label is 1 for what "
            "people chose, 0 for the rest");
  ScoresFile file(kHeader);
  file.options.columns.scores = {"r", "r"};
  EXPECT_EQ(refusal(file), ": column 'r' is asked for twice");
  file.options.columns.scores = {};
  file.options.columns.label = "r";
  EXPECT_EQ(refusal(file), ": there is no column with scores");
  file.options.columns.label = "human";
  EXPECT_EQ(refusal(file), ": there is no column 'human' | there are: prompt_id, response_id, r");
}

TEST(PreferencesRefusals, LogProbabilities) {
  const char* const header = "prompt_id,response_id,r,log_reference\n";
  EXPECT_EQ(refusal(cat(header, "p,1,1,-1\np,2,1,0.5\n")),
            "3: log_reference = 0.5 is above 0, so no logarithm of a probability");
  EXPECT_EQ(
      refusal(cat(header, "p,1,1,-0.1\np,2,1,-0.2\n")),
      "2: by log_reference the responses to prompt 'p' have a probability of 1.72357 together "
      "| it is the sum over a response's tokens of their log probabilities, not the mean");
}

TEST(PreferencesRefusals, Files) {
  const auto of = [](const char* path) {
    Preferences::Options options;
    options.path.value = path;
    return caught([&] { (void)Preferences(options); });
  };
  EXPECT_EQ(of("s.txt").message(), "'s.txt' is no .csv, .safetensors or .npz file");
  EXPECT_EQ(of("s.parquet").help(),
            "python -c 'import sys, pandas; "
            "pandas.read_parquet(sys.argv[1]).to_csv(sys.argv[2], index=False)' "
            "scores.parquet scores.csv");
  EXPECT_EQ(of("absent.csv").kind(), ErrorKind::io);
}

TEST(PreferencesRefusals, Tensors) {
  const test::TemporaryFolder folder;
  const auto message = [&](const std::string& name, const at::Tensor& value) {
    NamedTensors tensors = {{"prompt_id", at::tensor({1, 1}, at::kLong)},
                            {"response_id", at::tensor({1, 2}, at::kLong)},
                            {"r", at::ones({2}, at::kDouble)}};
    std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
    tensors.emplace_back(name, value);
    Preferences::Options options;
    options.path.value = (folder / "s.npz").string();
    write_npz(options.path.value, tensors);
    const Error error = caught([&] { (void)Preferences(options); });
    EXPECT_EQ(error.kind(), ErrorKind::data);
    return error.where().substr(folder.path().string().size() + 1) + ": " + error.message();
  };
  EXPECT_EQ(message("r", at::ones({3}, at::kDouble)), "s.npz: r has the shape [3], not [N] = [2]");
  EXPECT_EQ(message("r", at::ones({2, 1}, at::kDouble)),
            "s.npz: r has the shape [2, 1], not [N] = [2]");
  EXPECT_EQ(message("prompt_id", at::ones({2}, at::kDouble)),
            "s.npz: prompt_id is <f8, not integers");
  EXPECT_EQ(message("r", at::tensor({1.0, std::numeric_limits<double>::quiet_NaN()}, at::kDouble)),
            "s.npz: r[1] = nan is not a finite number");
  EXPECT_EQ(message("response_id", at::tensor({4, 4}, at::kLong)),
            cat("s.npz, row 1: response '4' to prompt '1' comes twice, first at ",
                (folder / "s.npz").string(), ", row 0"));
}

}  // namespace
}  // namespace saffron::plugins
