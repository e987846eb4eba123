#include "testing/checks/world.h"

#include "testing/checks/groups.h"
#include "testing/drivers/worlds.h"

#include <array>
#include <atomic>
#include <set>
#include <thread>

namespace saffron::testing {
namespace {

constexpr std::size_t kReaders = 4;
constexpr int kReads = 4;

Verdict world_has_capability(const Subject& subject) {
  const auto world = made<World>(subject);
  const std::string& what = world->info().description;
  if (capability<TabularWorld>(*world) == nullptr && capability<SampledWorld>(*world) == nullptr &&
      capability<PreferenceWorld>(*world) == nullptr) {
    fail(cat(what, ": no TabularWorld, SampledWorld or PreferenceWorld, so that nothing can be ",
             "compared in it"));
  }
  return {};
}

Verdict rewards_are_named(const Subject& subject) {
  const auto world = made<World>(subject);
  const std::vector<std::string>& names = world->info().rewards;
  const auto check = [&](const at::Tensor& table) {
    if (table.dim() == 0 || table.size(0) == static_cast<std::int64_t>(names.size())) return;
    fail(cat(names.size(), " names for ", table.size(0), " rewards"));
  };
  if (const auto* tabular = capability<TabularWorld>(*world)) check(tabular->rewards());
  if (const auto* preference = capability<PreferenceWorld>(*world)) check(preference->scores());
  if (names.empty()) fail("there are no rewards");
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (name.empty()) fail("a reward has the empty name");
    if (!seen.insert(name).second) fail(cat("two rewards are named '", name, "'"));
  }
  return {};
}

Verdict gamma_in_range(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto* tabular = capability<TabularWorld>(*world);
  const auto* sampled = capability<SampledWorld>(*world);
  if (tabular == nullptr && sampled == nullptr) skip("has no discount");
  const auto check = [](double gamma) {
    if (!(gamma >= 0 && gamma < 1)) fail(cat("gamma = ", gamma, " is not in [0, 1)"));
  };
  if (tabular != nullptr) check(tabular->gamma());
  if (sampled != nullptr) check(sampled->gamma());
  return {};
}

Verdict reads_are_constant(const Subject& subject) {
  const auto world = made<World>(subject);
  const Observed first = read_all(*world);
  for (int i = 0; i < kReads; ++i) {
    const std::string differs = difference(first, read_all(*world));
    if (!differs.empty()) fail(cat("read again, the world is another: ", differs));
  }
  return {};
}

// The readers come first, so that what is made on first use is made by several at once.
Verdict reads_are_thread_safe(const Subject& subject) {
  const auto world = made<World>(subject);
  std::array<std::vector<Observed>, kReaders> seen;
  std::atomic<int> waiting = kReaders;
  std::array<std::thread, kReaders> readers;
  std::array<std::exception_ptr, kReaders> thrown;
  for (std::size_t i = 0; i < kReaders; ++i) {
    readers[i] = std::thread([&, i] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      try {
        for (int n = 0; n < kReads; ++n) seen[i].push_back(read_all(*world));
      } catch (...) {
        thrown[i] = std::current_exception();
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  for (const std::exception_ptr& error : thrown) {
    if (error) std::rethrow_exception(error);
  }
  const Observed alone = read_all(*world);
  if (!difference(alone, read_all(*world)).empty()) {
    skip("differs from read to read: see reads-are-constant");
  }
  for (const std::vector<Observed>& reads : seen) {
    for (const Observed& read : reads) {
      const std::string differs = difference(alone, read);
      if (!differs.empty()) fail(cat("read by ", kReaders, " threads at once: ", differs));
    }
  }
  return {};
}

constexpr Check kChecks[] = {
    {"world-has-capability", "world", "it is a tabular, sampled or preference world", 1,
     world_has_capability},
    {"rewards-are-named", "world", "every reward has a name of its own", 1, rewards_are_named},
    {"table-shapes", "world", "every table has its shape", 1, table_shapes},
    {"float64-throughout", "world", "numbers are float64, indices int64, flags bool", 3,
     float64_throughout},
    {"gamma-in-range", "world", "the discount is in [0, 1)", 1, gamma_in_range},
    {"csr-is-valid", "world", "sparse transitions: offsets grow, successors are states, once a row",
     1, csr_is_valid},
    {"transitions-are-distributions", "world",
     "the successors of a state and action have probabilities that sum to 1", 3,
     transitions_are_distributions},
    {"distributions-sum-to-one", "world", "mu0, the policy, D_S and D_A are distributions", 3,
     distributions_sum_to_one},
    {"rewards-are-finite", "world", "no reward of the world's transitions is NaN or infinite", 2,
     rewards_are_finite},
    {"reads-are-constant", "world", "what is read twice is the same", 1, reads_are_constant},
    {"reads-are-thread-safe", "world", "several threads may read at once", 3,
     reads_are_thread_safe},
    {"evaluates-any-transition", "world",
     "a sampled world's rewards are numbers for transitions that it does not hold", 2,
     evaluates_any_transition},
    {"evaluation-batching-invariant", "world",
     "a transition's reward does not depend on the others in the call", 3,
     evaluation_batching_invariant},
    {"unknown-transitions-refused", "world",
     "a world that knows rewards of some transitions alone says which, and refuses others as data",
     2, unknown_transitions_refused},
    {"episodes-follow-each-other", "world",
     "an episode's transitions come one after another, and none after its terminal one", 2,
     episodes_follow_each_other},
    {"prompts-are-sorted", "world", "prompts are 0..P-1, sorted", 1, prompts_are_sorted},
    {"prompts-offer-a-choice", "world", "every prompt has at least two responses", 2,
     prompts_offer_a_choice},
    {"reference-is-log-probability", "world", "log pi_ref is a number, at most 0", 3,
     reference_is_log_probability},
    {"reference-sums-to-one-at-most", "world",
     "the probabilities of a prompt's responses sum to at most 1", 3,
     reference_sums_to_one_at_most},
};

}  // namespace

std::span<const Check> world_checks() { return kChecks; }

}  // namespace saffron::testing
