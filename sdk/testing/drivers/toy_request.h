#pragma once

#include <saffron/judge.h>
#include <saffron/testing/checks.h>

#include <cstdint>

// Questions for judges, and which judges can be asked them.

namespace saffron::testing {

// A whole request; other numbers are other questions.
[[nodiscard]] JudgeRequest toy_request(std::uint64_t number);

// The parameters that are secrets and have no value: without them there is nobody to ask.
[[nodiscard]] bool lacks_a_secret(const Subject& subject);

// One attempt. Skips the check where nobody answers: Error (io), or a refusal (Error invalid).
[[nodiscard]] JudgeReply ask(Judge& judge, const JudgeRequest& request);

}  // namespace saffron::testing
