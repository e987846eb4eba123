#include "tests/plugins/worlds/preferences/support.h"

#include <saffron/archives.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

namespace saffron::plugins {
namespace {

using testing::ScoresFile;

constexpr const char* kTable =
    "prompt_id,response_id,small,large,label\n"
    "hi,a,0.5,-1,1\n"
    "\"bye, now\",a,2,3e1,0\n"
    "hi,b,0.25,4,0\n"
    "\"bye, now\",b,-2,1,1\n"
    "hi,c,7,8,0\n";

// Prompts as they first come, responses in the file's order.
TEST(Preferences, GroupsByPrompt) {
  const ScoresFile file(kTable);
  const Preferences world(file.options);
  EXPECT_EQ(world.info().description, "5 responses to 2 prompts");
  EXPECT_EQ(world.info().rewards, (std::vector<std::string>{"small", "large"}));
  EXPECT_TRUE(world.prompts().equal(at::tensor({0, 0, 0, 1, 1}, at::kLong)));
  EXPECT_TRUE(world.scores()[0].equal(at::tensor({0.5, 0.25, 7.0, 2.0, -2.0}, at::kDouble)));
  EXPECT_TRUE(world.scores()[1].equal(at::tensor({-1.0, 4.0, 8.0, 30.0, 1.0}, at::kDouble)));
  EXPECT_TRUE(world.labels().equal(at::tensor({1.0, 0.0, 0.0, 0.0, 1.0}, at::kDouble)));
  EXPECT_FALSE(world.log_reference().defined());
}

TEST(Preferences, ChosenColumns) {
  ScoresFile file(
      "text,id,q,human,b,c,lp\n\"Hello, \"\"you\"\"\",1,x,3,1,2,-1\nHello,2,x,4,3,4,-0.5\n");
  file.options.columns = {.prompt = "q",
                          .response = "id",
                          .scores = {"c", "b"},
                          .label = "human",
                          .log_reference = "lp",
                          .numbers = {},
                          .groups = {}};
  const Preferences world(file.options);
  EXPECT_EQ(world.info().rewards, (std::vector<std::string>{"c", "b"}));
  EXPECT_TRUE(world.scores()[0].equal(at::tensor({2.0, 4.0}, at::kDouble)));
  EXPECT_TRUE(world.labels().equal(at::tensor({3.0, 4.0}, at::kDouble)));
  EXPECT_TRUE(world.log_reference().equal(at::tensor({-1.0, -0.5}, at::kDouble)));
}

TEST(Preferences, BlankLinesAndPlusSigns) {
  const ScoresFile file("prompt_id,response_id,r\n\nhi,a,+1\r\n\r\nhi,b,+.5\n\n\n");
  const Preferences world(file.options);
  EXPECT_TRUE(world.scores()[0].equal(at::tensor({1.0, 0.5}, at::kDouble)));
}

// Further columns are no scores; prompts and responses keep their names.
TEST(Preferences, NumbersAndGroups) {
  ScoresFile file(
      "prompt_id,response_id,r,words,domain,lone\nhi,a,1,10,chat,x\nby,a,2,20,code,x\n"
      "hi,b,3,30,chat,y\nby,b,4,40,code,x\n");
  file.options.columns.numbers = {"words"};
  file.options.columns.groups = {"domain", "lone"};
  const Preferences world(file.options);
  EXPECT_EQ(world.info().rewards, std::vector<std::string>{"r"});
  EXPECT_EQ(world.prompt_names(), (std::vector<std::string>{"hi", "by"}));
  EXPECT_EQ(world.response_names(), (std::vector<std::string>{"a", "b", "a", "b"}));
  ASSERT_EQ(world.columns().size(), 3u);
  EXPECT_TRUE(world.columns()[0].values.equal(at::tensor({10.0, 30.0, 20.0, 40.0}, at::kDouble)));
  EXPECT_FALSE(world.columns()[0].categorical());
  EXPECT_EQ(world.columns()[1].words, (std::vector<std::string>{"chat", "code"}));
  EXPECT_TRUE(world.columns()[1].values.equal(at::tensor({0, 0, 1, 1}, at::kLong)));
  EXPECT_TRUE(world.columns()[2].values.equal(at::tensor({0, 1, 0, 0}, at::kLong)));

  const test::TemporaryFolder folder;
  write_npz(folder / "s.npz", {{"prompt_id", at::tensor({7, 7}, at::kLong)},
                               {"response_id", at::tensor({0, 1}, at::kLong)},
                               {"r", at::tensor({1.0, 3.0}, at::kDouble)},
                               {"words", at::tensor({5, 6}, at::kInt)},
                               {"domain", at::tensor({2, 2}, at::kLong)}});
  Preferences::Options options;
  options.path.value = (folder / "s.npz").string();
  options.columns.numbers = {"words"};
  options.columns.groups = {"domain"};
  const Preferences tensors(options);
  EXPECT_EQ(tensors.prompt_names(), std::vector<std::string>{"7"});
  EXPECT_TRUE(tensors.columns()[0].values.equal(at::tensor({5.0, 6.0}, at::kDouble)));
  EXPECT_EQ(tensors.columns()[1].words, std::vector<std::string>{"2"});
}

TEST(Preferences, SinglesAreDroppedWhereAsked) {
  ScoresFile file("prompt_id,response_id,r\np,1,5\nq,1,6\nq,2,7\n");
  file.options.single_responses = Preferences::Single::drop;
  const Preferences world(file.options);
  EXPECT_EQ(world.info().description, "2 responses to 1 prompt; 1 with one response left out");
  EXPECT_TRUE(world.prompts().equal(at::tensor({0, 0}, at::kLong)));
  EXPECT_TRUE(world.scores()[0].equal(at::tensor({6.0, 7.0}, at::kDouble)));
}

TEST(Preferences, TensorsHoldTheSameWorld) {
  const test::TemporaryFolder folder;
  const NamedTensors tensors = {
      {"prompt_id", at::tensor({7, 3, 7, 3}, at::kLong)},
      {"response_id", at::tensor({0, 0, 1, 1}, at::kInt)},
      {"r", at::tensor({1.0, 2.0, 3.0, 4.0}, at::kFloat)},
      {"log_reference", at::tensor({-1.0, -2.0, -3.0, -4.0}, at::kDouble)}};
  write_npz(folder / "s.npz", tensors);
  write_safetensors(folder / "s.safetensors", tensors);
  for (const char* name : {"s.npz", "s.safetensors"}) {
    Preferences::Options options;
    options.path.value = (folder / name).string();
    const Preferences world(options);
    EXPECT_EQ(world.info().rewards, std::vector<std::string>{"r"});
    EXPECT_TRUE(world.prompts().equal(at::tensor({0, 0, 1, 1}, at::kLong)));
    EXPECT_TRUE(world.scores()[0].equal(at::tensor({1.0, 3.0, 2.0, 4.0}, at::kDouble)));
    EXPECT_TRUE(world.log_reference().equal(at::tensor({-1.0, -3.0, -2.0, -4.0}, at::kDouble)));
  }
}

TEST(Preferences, ManyResponses) {
  constexpr std::int64_t kPrompts = 20'000, kResponses = 8;
  std::string text = "prompt_id,response_id,a,b\n";
  for (std::int64_t n = 0; n < kPrompts * kResponses; ++n) {
    text += cat("p", n % kPrompts, ",", n / kPrompts, ",", 0.5 * static_cast<double>(n), ",-1\n");
  }
  const ScoresFile file(text);
  const Preferences world(file.options);
  EXPECT_EQ(world.scores().size(1), kPrompts * kResponses);
  EXPECT_EQ(world.prompts()[-1].item<std::int64_t>(), kPrompts - 1);
  EXPECT_EQ(world.scores()[0][-1].item<double>(), 0.5 * (kPrompts * kResponses - 1));
  EXPECT_EQ(world.scores()[0][1].item<double>(), 0.5 * kPrompts);  // the first prompt's second
}

}  // namespace
}  // namespace saffron::plugins
