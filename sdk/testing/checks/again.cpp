#include "testing/checks/again.h"

#include "testing/elsewhere.h"
#include "testing/expect.h"
#include "testing/uses.h"

#include <saffron/error.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace saffron::testing {
namespace {

constexpr std::int64_t kOtherRows = 7;

[[noreturn]] void asked_by(const Subject& subject, const char* id) {
  skip(cat("of a ", subject.kind(), ' ', id, " asks this"));
}

std::string of_use(const std::string& threw) {
  if (threw.find("backward through the graph a second time") != std::string::npos) {
    return "used a second time, it goes backward through the first use's graph again: a tensor "
           "that "
           "it keeps carries that graph; keep it detach()ed";
  }
  return cat("used a second time, it throws: ", threw);
}

std::string of_memory(const Subject& subject, const std::string& differs) {
  const std::string kind = subject.kind();
  const bool trained = kind == "regularizer" || kind == "objective" || kind == "sae";
  return cat("an earlier use changes the next one: ", differs,
             trained ? "; no checkpoint keeps what it left behind: implement saffron::Stateful"
                     : "; keep nothing from one use to the next, or implement saffron::Stateful");
}

std::string of_state(const std::string& differs) {
  return cat("after save and load into a new instance the next use differs: ", differs);
}

// What an instance that was used says of `next`, beside a fresh one that takes over what the host
// restores from a checkpoint of it.
struct Next {
  std::string threw, differs;
};

// No instance is used after another one was made: that is for two-instances-independent to look at.
Next after_a_use(const Subject& subject, const Variant& next) {
  Next out;
  const auto straight = fresh(subject);
  static_cast<void>(use(subject, *straight));
  Observed seen;
  try {
    seen = use(subject, *straight, next);
  } catch (const Finding&) {
    throw;
  } catch (const std::exception& error) {
    out.threw = words_of(error);
  }
  const auto stopped = fresh(subject);
  static_cast<void>(use(subject, *stopped));
  const auto resumed = fresh(subject);
  resumed->restore(*stopped);
  const Observed expected = use(subject, *resumed, next);
  if (out.threw.empty()) out.differs = difference(expected, seen);
  return out;
}

// Whether earlier uses change what it says, of a kind whose answers depend on the question alone.
bool remembers(const Subject& subject, const Variant& next) {
  const Observed expected = use_fresh(subject, next);
  const auto used = fresh(subject);
  static_cast<void>(use(subject, *used));
  return !difference(expected, use(subject, *used, next)).empty();
}

}  // namespace

void leave_to(const Subject& subject, const char* id, const std::string& found,
              const std::string& from) {
  static thread_local bool asking = false;
  if (asking) skip(see(id, found));
  const std::vector<const Check*> all = checks_for(subject.kind());
  const auto other = std::find_if(
      all.begin(), all.end(), [&](const Check* check) { return std::strcmp(check->id, id) == 0; });
  asking = true;
  const Verdict verdict = other == all.end() ? Verdict() : run(**other, subject);
  asking = false;
  const std::string to = left_by(verdict).to;
  const bool left = !from.empty() && !to.empty() && to != from;
  if (left || verdict.outcome == Outcome::failed || verdict.outcome == Outcome::warning) {
    skip(see(id, found));
  }
  fail(found);
}

std::string fault_of_next_use(const Check& check, const Subject& subject) {
  const KindDriver& kind = driver_of(subject);
  for (const char* id : {kind.memory, kind.again, kind.stays, kStateRoundtrip, kUsedAgain,
                         kResultsStay, kTwoInstancesIndependent}) {
    if (std::strcmp(check.id, id) == 0) return {};
  }
  if (fresh(subject)->stateful() != nullptr) return {};
  const Next next = after_a_use(subject, {.data = kOtherData});
  if (!next.threw.empty()) return kind.again;
  if (next.differs.empty()) return {};
  for (const Check* other : checks_for(subject.kind())) {
    if (std::strcmp(other->id, kind.memory) != 0) continue;
    return run(*other, subject).outcome == Outcome::failed ? kind.memory : "";
  }
  return {};
}

Verdict state_roundtrip(const Subject& subject) {
  const KindDriver& kind = driver_of(subject);
  const bool own = std::strcmp(kind.memory, kStateRoundtrip) == 0;
  const bool stateful = fresh(subject)->stateful() != nullptr;
  if (!stateful && !own) skip(cat("is not Stateful: see ", kind.memory));
  need_reproducible(subject);
  const Variant next{.data = kOtherData};
  const Next found = after_a_use(subject, next);
  if (!found.threw.empty()) leave_to(subject, kind.again, of_use(found.threw));
  if (found.differs.empty()) return {};
  if (!stateful) fail(of_memory(subject, found.differs));
  if (std::strcmp(kind.again, kind.memory) == 0 && remembers(subject, next)) {
    leave_to(subject, kind.memory, of_state(found.differs));
  }
  fail(of_state(found.differs));
}

Verdict used_again(const Subject& subject) {
  const KindDriver& kind = driver_of(subject);
  if (std::strcmp(kind.again, kUsedAgain) != 0) asked_by(subject, kind.again);
  need_reproducible(subject);
  const auto next_of = [&](const Variant& next) {
    try {
      return after_a_use(subject, next);
    } catch (const Finding&) {
      throw;
    } catch (const std::exception& error) {
      leave_to(
          subject, kStateRoundtrip,
          cat("after save and load into a new instance the next use throws: ", words_of(error)));
    }
  };
  const Next other = next_of({.data = kOtherData});
  if (!other.differs.empty()) {
    const bool stateful = fresh(subject)->stateful() != nullptr;
    leave_to(subject, stateful ? kStateRoundtrip : kind.memory,
             stateful ? of_state(other.differs) : of_memory(subject, other.differs));
  }
  const Next same = next_of({});
  for (const Next* of : {&other, &same}) {
    if (!of->threw.empty()) fail(of_use(of->threw));
  }
  if (!same.differs.empty()) {
    fail(cat("given the same once more, it says something else: ", same.differs));
  }
  return {};
}

Verdict results_stay(const Subject& subject) {
  const KindDriver& kind = driver_of(subject);
  if (std::strcmp(kind.stays, kResultsStay) != 0) asked_by(subject, kind.stays);
  const auto driver = fresh(subject);
  const Observed first = use(subject, *driver);
  if (first.handed.empty()) skip("hands out no tensors");
  try {
    static_cast<void>(use(subject, *driver, {.data = kOtherData}));
  } catch (const Finding&) {
    throw;
  } catch (const std::exception& error) {
    leave_to(subject, kind.again, of_use(words_of(error)));
  }
  for (const auto& [name, tensor, copy] : first.handed) {
    if (identical(tensor, copy)) continue;
    fail(cat(name, ": a later use writes to what an earlier one returned (by ",
             distance(tensor, copy), "): return a tensor of its own each time"));
  }
  return {};
}

Verdict two_instances_independent(const Subject& subject) {
  need_deterministic(subject);
  const bool rows = driver_of(subject).powers.rows;
  // What the first instance of a process leaves in a static is seen by all others alike: only in a
  // process where another came first does it show.
  const auto plainly = [&] { return printed(use_fresh(subject)); };
  const auto plain = elsewhere(plainly);
  const auto behind = elsewhere([&] {
    try {
      const Variant another{.data = 3, .rows = rows ? kOtherRows : Variant().rows};
      static_cast<void>(use_fresh(subject, another, {.seed = 2}));
    } catch (const std::exception&) {
      // Whether it takes that is not the question here.
    }
    return plainly();
  });
  const bool by_process = plain != behind && plain != elsewhere(plainly);
  need_reproducible(subject);
  if (by_process) skip(see(kDeterministicSameSeed, {}));
  const Variant first{}, second{.data = kOtherData};
  const auto alone = fresh(subject);
  const Observed alone_first = use(subject, *alone, first);
  if (plain && behind && *plain != *behind) {
    fail(cat("what it says depends on which instance came first in the process: ",
             first_difference(*plain, *behind)));
  }
  Observed alone_second;
  try {
    alone_second = use(subject, *alone, second);
  } catch (const Finding&) {
    throw;
  } catch (const std::exception& error) {
    leave_to(subject, driver_of(subject).again, of_use(words_of(error)));
  }
  const auto beside = fresh(subject), other = fresh(subject, {.seed = 2});
  const Observed beside_first = use(subject, *beside, first);
  static_cast<void>(use(subject, *other, {.data = 3}));
  std::string differs = difference(alone_first, beside_first);
  if (differs.empty()) differs = difference(alone_second, use(subject, *beside, second));
  if (!differs.empty()) fail(cat("another instance in the process changes its results: ", differs));
  return {};
}

}  // namespace saffron::testing
