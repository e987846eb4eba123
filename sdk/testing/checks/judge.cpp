#include "testing/checks/groups.h"
#include "testing/drivers/toy_request.h"
#include "testing/made.h"

#include <saffron/io.h>

#include <array>
#include <cstdlib>
#include <thread>

namespace saffron::testing {
namespace {

constexpr std::size_t kThreads = 4;
constexpr std::uint64_t kAsked = 3;  // questions of a thread

std::shared_ptr<Judge> answering(const Subject& subject) {
  auto judge = made<Judge>(subject);
  if (lacks_a_secret(subject)) {
    skip("has a secret without a value: name a variable under [options] in test-plugin.toml");
  }
  return judge;
}

std::string fault_of(const std::string& text) {
  try {
    check_utf8(text, "text");
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

Verdict identity_is_said(const Subject& subject) {
  const std::string identity = made<Judge>(subject)->identity();
  if (identity.empty()) fail("says nothing about who it is: answers of two judges would be mixed");
  const std::string fault = fault_of(identity);
  if (!fault.empty()) fail(cat("its identity is no valid UTF-8: ", fault));
  return {};
}

Verdict identity_is_stable(const Subject& subject) {
  const auto judge = made<Judge>(subject), again = made<Judge>(subject);
  const std::string first = judge->identity();
  if (judge->identity() != first) {
    fail(cat("is '", first, "', and asked again '", judge->identity(), "'"));
  }
  if (again->identity() != first) {
    fail(cat("another judge of the same options is '", again->identity(), "', not '", first, "'"));
  }
  if (lacks_a_secret(subject)) return {};
  try {
    static_cast<void>(judge->ask(toy_request(1)));
  } catch (const std::exception&) {
    // Whether it answers is not the question here.
  }
  if (judge->identity() != first) {
    fail(cat("is '", first, "', and after a question '", judge->identity(), "'"));
  }
  return {};
}

Verdict identity_hides_secrets(const Subject& subject) {
  const Value options = subject.decode(subject.options()).resolved;
  std::vector<std::pair<const char*, std::string>> secrets;
  for (const saffron_param& param : subject.params()) {
    const Value* variable = options.find(param.name);
    if (param.type != SAFFRON_TYPE_SECRET || variable == nullptr || !variable->is_string()) {
      continue;
    }
    const char* secret = std::getenv(variable->as_string().c_str());
    if (secret == nullptr || *secret == '\0') continue;
    secrets.emplace_back(param.name, secret);
  }
  if (secrets.empty()) skip("has no secret with a value");
  const std::string identity = made<Judge>(subject)->identity();
  for (const auto& [name, secret] : secrets) {
    if (identity.find(secret) == std::string::npos) continue;
    fail(cat("its identity holds the secret '", name, "', and goes into every ledger"));
  }
  return {};
}

Verdict reply_is_text(const Subject& subject) {
  const JudgeReply reply = ask(*answering(subject), toy_request(1));
  const std::string fault = fault_of(reply.text);
  if (!fault.empty()) fail(cat("its reply is no valid UTF-8: ", fault));
  return {};
}

Verdict reply_tokens_nonnegative(const Subject& subject) {
  const JudgeReply reply = ask(*answering(subject), toy_request(1));
  if (reply.prompt_tokens < 0 || reply.completion_tokens < 0) {
    fail(cat("counts ", reply.prompt_tokens, " tokens of the prompt and ", reply.completion_tokens,
             " of the reply"));
  }
  return {};
}

std::string answer(Judge& judge, std::uint64_t number) {
  return ask(judge, toy_request(number)).text;
}

// Equal requests have equal answers in the ledger, whatever was asked between them.
Verdict equal_requests_equal_answers(const Subject& subject) {
  need_deterministic(subject);
  const auto judge = answering(subject);
  const std::string first = answer(*judge, 1);
  for (std::uint64_t other = 2; other < 5; ++other) static_cast<void>(answer(*judge, other));
  const std::string again = answer(*judge, 1);
  if (again != first) {
    fail(cat("answers '", first, "', and later to the same request '", again, "'"));
  }
  return {};
}

Verdict asks_in_parallel(const Subject& subject) {
  const auto judge = answering(subject);
  static_cast<void>(answer(*judge, 0));  // skips where nobody answers
  const auto asked = [&] {
    std::vector<std::string> out;
    for (std::uint64_t n = 0; n < kThreads * kAsked; ++n) out.push_back(answer(*judge, n));
    return out;
  };
  const std::vector<std::string> alone = asked();
  if (subject.deterministic() && asked() != alone) {
    skip("answers differently each time: see equal-requests-equal-answers");
  }
  std::array<std::thread, kThreads> threads;
  std::array<std::exception_ptr, kThreads> thrown;
  std::vector<std::string> replies(alone.size());
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads[t] = std::thread([&, t] {
      try {
        for (std::size_t n = t * kAsked; n < (t + 1) * kAsked; ++n) {
          replies[n] = judge->ask(toy_request(n)).text;
        }
      } catch (...) {
        thrown[t] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : thrown) {
    if (error) std::rethrow_exception(error);
  }
  for (std::size_t n = 0; subject.deterministic() && n < replies.size(); ++n) {
    if (replies[n] == alone[n]) continue;
    fail(cat("asked by ", kThreads, " threads at once it answers '", replies[n], "' in place of '",
             alone[n], "'"));
  }
  return {};
}

// Requests that are none: no messages, messages that are no list, and messages without a content.
std::array<JudgeRequest, 3> malformed() {
  std::array<JudgeRequest, 3> out{toy_request(1), toy_request(1), toy_request(1)};
  out[0].messages = Value::list();
  out[1].messages = Value("Is it sparse?");
  out[2].messages = Value::list();
  out[2].messages.push(Value::table()).set("role", "user");
  return out;
}

Verdict errors_are_in_words(const Subject& subject) {
  const auto judge = answering(subject);
  for (const JudgeRequest& request : malformed()) {
    const std::string what = to_json(request.messages);
    try {
      static_cast<void>(judge->ask(request));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::invalid || error.kind() == ErrorKind::io) continue;
      fail(cat("the messages ", what,
               " give an error that is neither `invalid` nor `io`: ", error.what()));
    } catch (const std::exception& error) {
      fail(cat("the messages ", what, " give no saffron::Error: ", words_of(error)));
    }
  }
  return {};
}

constexpr Check kChecks[] = {
    {"identity-is-said", "judge", "it says who it is", 1, identity_is_said},
    {"identity-is-stable", "judge", "who it is depends on its options alone", 2,
     identity_is_stable},
    {"identity-hides-secrets", "judge", "its identity holds no secret", 1, identity_hides_secrets},
    {"reply-is-text", "judge", "a reply is valid UTF-8", 2, reply_is_text},
    {"reply-tokens-nonnegative", "judge", "token counts are at least 0", 2,
     reply_tokens_nonnegative},
    {"errors-are-in-words", "judge", "requests that are none are Error (io) or Error (invalid)", 3,
     errors_are_in_words},
    {"equal-requests-equal-answers", "judge", "earlier questions change no answer", 3,
     equal_requests_equal_answers},
    {"asks-in-parallel", "judge", "several threads may ask at once", 3, asks_in_parallel},
};

}  // namespace

std::span<const Check> judge_checks() { return kChecks; }

}  // namespace saffron::testing
