// @NAME@: a judge, answers questions about text.
//
// Change first: ask(), which makes one attempt, and identity(), which names everything that the
// answers depend on; then Options and schema(). A service's key is a saffron::Secret parameter.
//
// What holds for every judge (saffron/judge.h):
// - The host keeps the ledger of answers, the budget, retries and concurrency. ask() makes one
//   attempt and keeps nothing between calls; it is called from several threads at once.
// - A request is complete: equal requests have equal answers in the ledger, under identity().
//   Change identity() whenever the same question may get another answer.
// - Error (io) for what may be retried (no connection, too many requests, a time-out); Error
//   (invalid) for what may not (a malformed request, a refusal).
// - messages is a list of { role, content }; options has temperature, max_tokens and the like.
// - Nothing of a key or of an answer is printed or logged.

#include <saffron/error.h>
#include <saffron/judge.h>
#include <saffron/plugin.h>

#include <algorithm>

namespace {

// Answers by rule, without a network: "yes" when the last message of the user contains one of the
// keywords, else "no". Upper and lower case of A to Z are the same.
//
// It stands in for a language model in tests, and is the baseline that one should beat. Tokens are
// counted as words.
class @CLASS@ final : public saffron::Judge {
 public:
  struct Options {
    std::vector<std::string> keywords = {"sparse"};
  };
  static auto schema() {
    return saffron::Schema<Options>{}.param("keywords", &Options::keywords,
                                            "words of which one makes the answer yes",
                                            saffron::not_empty());
  }
  explicit @CLASS@(const Options& options) {
    for (const std::string& word : options.keywords) {
      if (word.empty()) throw saffron::Error("a keyword is empty, and so would be in every text");
      keywords_.push_back(lower(word));
    }
  }

  std::string identity() const override {
    std::string text = "@NAME@ 1: yes for";
    for (const std::string& word : keywords_) text += " '" + word + "'";
    return text;
  }

  saffron::JudgeReply ask(const saffron::JudgeRequest& request) override {
    const std::string question = lower(last_of_user(request.messages));
    const bool found = std::any_of(
        keywords_.begin(), keywords_.end(),
        [&](const std::string& word) { return question.find(word) != std::string::npos; });
    saffron::JudgeReply reply;
    reply.text = found ? "yes" : "no";
    reply.prompt_tokens = words(question);
    reply.completion_tokens = 1;
    return reply;
  }

 private:
  // Bytes of A to Z only, whatever the locale.
  static std::string lower(std::string text) {
    for (char& c : text) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return text;
  }

  static std::int64_t words(std::string_view text) {
    std::int64_t count = 0;
    bool inside = false;
    for (const char c : text) {
      const bool space = c == ' ' || (c >= '\t' && c <= '\r');
      count += !space && !inside;
      inside = !space;
    }
    return count;
  }

  static std::string last_of_user(const saffron::Value& messages) {
    if (!messages.is_list()) throw saffron::Error("messages are not a list of { role, content }");
    const saffron::Value::List& list = messages.as_list();
    for (auto message = list.rbegin(); message != list.rend(); ++message) {
      if (message->at("role").as_string() == "user") return message->at("content").as_string();
    }
    throw saffron::Error("no message is the user's, so that there is nothing to answer");
  }

  std::vector<std::string> keywords_;  // lower case
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "Answers yes where a keyword occurs"))
