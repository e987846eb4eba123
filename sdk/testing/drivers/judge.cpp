#include "testing/drivers/kinds.h"
#include "testing/drivers/toy_request.h"
#include "testing/made.h"

#include <algorithm>
#include <cstdlib>

namespace saffron::testing {
namespace {

// Says who it is, and answers one question where no key is missing.
class JudgeDriver final : public DriverOf<Judge> {
 public:
  JudgeDriver(const Subject& subject, const Subject::Setup& setup)
      : DriverOf(subject, setup), mute_(lacks_a_secret(subject)) {}

  [[nodiscard]] Observed use(Inputs& inputs) override {
    Observed out;
    out.add("identity", component_->identity());
    if (mute_) return out;
    const JudgeReply reply = ask(*component_, toy_request(inputs.variant().data));
    out.add("reply", reply.text);
    out.add("tokens", cat(reply.prompt_tokens, " and ", reply.completion_tokens));
    return out;
  }

 private:
  bool mute_;
};

}  // namespace

JudgeRequest toy_request(std::uint64_t number) {
  const auto message = [](const char* role, std::string content) {
    Value out = Value::table();
    out.set("role", role);
    out.set("content", std::move(content));
    return out;
  };
  JudgeRequest request;
  request.messages = Value::list();
  request.messages.push(message("system", "Answer yes or no."));
  request.messages.push(
      message("user", cat("Is latent ", number, " sparse? It fires on the letter ",
                          static_cast<char>('a' + number % 26), ".")));
  request.options = Value::table();
  request.options.set("temperature", 0.0);
  request.options.set("max_tokens", 16);
  request.purpose = "conformance";
  return request;
}

bool lacks_a_secret(const Subject& subject) {
  const auto params = subject.params();
  return std::any_of(params.begin(), params.end(), [&](const saffron_param& param) {
    if (param.type != SAFFRON_TYPE_SECRET) return false;
    const Value* variable = subject.options().find(param.name);
    return variable == nullptr || std::getenv(variable->as_string().c_str()) == nullptr;
  });
}

JudgeReply ask(Judge& judge, const JudgeRequest& request) {
  try {
    return judge.ask(request);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::io && error.kind() != ErrorKind::invalid) throw;
    skip(cat("answers no question here: ", error.message(),
             ": an endpoint that does goes under [options] in test-plugin.toml"));
  }
}

const KindDriver kJudgeDriver{.kind = Judge::kKind,
                              .powers = {},
                              .drive = drive_or_skip<JudgeDriver>,
                              .memory = "equal-requests-equal-answers",
                              .again = "equal-requests-equal-answers"};

}  // namespace saffron::testing
