#pragma once

#include <saffron/value.h>

#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

// A question to a language model, complete: equal requests have equal answers in the ledger.
struct JudgeRequest {
  Value messages;       // list of { role, content }
  Value options;        // temperature, max_tokens, ...
  std::string purpose;  // "fuzzing", for the ledger and the budget
};

struct JudgeReply {
  std::string text;
  std::int64_t prompt_tokens = 0, completion_tokens = 0;
};

// A language model or another outside service that answers requests. The host keeps the ledger (keyed by
// the request's content, so that a run can be replayed), the budget, retries and concurrency; a judge
// makes one attempt. Error (io) for what may be retried, Error (invalid) for what may not. [thread-safe]
class SAFFRON_EXPORT Judge {
 public:
  static constexpr const char* kKind = "judge";
  static constexpr const char* kInterface = "saffron.judge/1";
  using Interface = Judge;

  Judge() = default;
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;
  virtual ~Judge();

  [[nodiscard]] virtual std::string identity() const = 0;  // model and version, part of the key
  [[nodiscard]] virtual JudgeReply ask(const JudgeRequest& request) = 0;
};

}  // namespace saffron::inline sdk_v1
