#include <saffron/error.h>
#include <saffron/judge.h>
#include <saffron/testing/conformance.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every judge promises, one case each

namespace {

using saffron::Value;

saffron::JudgeReply answer(const char* role, const char* content) {
  Value message = Value::table();
  message.set("role", role);
  message.set("content", content);
  Value messages = Value::list();
  messages.push(message);
  const auto judge = saffron::testing::component("judge", "@NAME@").make<saffron::Judge>();
  return judge->ask({.messages = messages, .options = Value::table(), .purpose = "test"});
}

TEST(@CLASS@, SaysYesWhereTheKeywordIs) {
  const saffron::JudgeReply reply = answer("user", "Is this a Sparse code?");
  EXPECT_EQ(reply.text, "yes");
  EXPECT_EQ(reply.prompt_tokens, 5);
  EXPECT_EQ(answer("user", "Is this a dense code?").text, "no");
}

TEST(@CLASS@, RefusesARequestWithoutAQuestion) {
  EXPECT_THROW((void)answer("system", "You are a judge."), saffron::Error);
}

}  // namespace
