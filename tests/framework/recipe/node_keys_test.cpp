#include "framework/recipe/node_keys.h"

#include "framework/loader/describe.h"

#include <gmock/gmock.h>

namespace saffron::host {
namespace {

using ::testing::HasSubstr;

TEST(NodeKeys, ATrainNodesKeysAreDescribedWithThoseInIt) {
  const Value train = describe_train();
  EXPECT_EQ(train.at("table").as_string(), "[train.NAME]");
  std::vector<std::string> names;
  for (const Value& key : train.at("keys").as_list()) names.push_back(key.at("name").as_string());
  EXPECT_EQ(names, own_key_names("train"));
  EXPECT_EQ(train.at("regularizer_keys").as_list().size(), own_key_names("regularizer").size());
}

TEST(NodeKeys, TheTextShowsEveryKeyOfATrainNode) {
  const std::string text = section_text(describe_train());
  for (const char* word :
       {"rows", "optimizer.lr", "optimizer.weight_decay", "schedule.warmup", "schedule.shape",
        "linear | cosine", "objective", "vary", "coef", "every [train.NODE.regularizer.NAME] has",
        "[train.NAME]\n              saes = [\"SAE\"]\n              rows = 1\n"}) {
    EXPECT_THAT(text, HasSubstr(word));
  }
}

}  // namespace
}  // namespace saffron::host
