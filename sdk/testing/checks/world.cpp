#include "testing/checks/world.h"

#include "testing/checks/groups.h"
#include "testing/drivers/worlds.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <thread>

namespace saffron::testing {
namespace {

constexpr double kRowwise = 1e-9;  // another kernel may sum in another order
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

// ---- sampled worlds ----------------------------------------------------------------------------

// The world's transitions with the successors of others: what canonicalisations ask for.
struct Asked {
  at::Tensor states, actions, next_states;
  explicit Asked(const SampledWorld& world)
      : states(world.states().clone()),
        actions(world.actions().clone()),
        next_states(world.next_states().roll(1, 0)) {}
  [[nodiscard]] at::Tensor evaluate(const SampledWorld& world, std::int64_t reward,
                                    std::int64_t begin, std::int64_t end) const {
    const auto rows = [&](const at::Tensor& x) { return x.slice(0, begin, end).clone(); };
    return world.evaluate(reward, rows(states), rows(actions), rows(next_states));
  }
  [[nodiscard]] at::Tensor evaluate(const SampledWorld& world, std::int64_t reward) const {
    return evaluate(world, reward, 0, states.size(0));
  }
};

Verdict evaluates_any_transition(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto& sampled = needed<SampledWorld>(*world, "sampled world");
  const Asked asked(sampled);
  for (std::size_t i = 0; i < world->info().rewards.size(); ++i) {
    const std::string& name = world->info().rewards[i];
    const at::Tensor r = asked.evaluate(sampled, static_cast<std::int64_t>(i));
    if (!r.defined() || r.dim() != 1 || r.size(0) != asked.states.size(0)) {
      fail(cat("reward '", name, "' of ", asked.states.size(0), " transitions is ", describe(r)));
    }
    if (!all_finite(r)) {
      fail(cat("reward '", name, "' is not finite for states with other states' successors"));
    }
  }
  return {};
}

Verdict evaluation_batching_invariant(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto& sampled = needed<SampledWorld>(*world, "sampled world");
  const Asked all(sampled);
  const std::int64_t rows = std::min<std::int64_t>(all.states.size(0), 16);
  for (std::size_t i = 0; i < world->info().rewards.size(); ++i) {
    const auto reward = static_cast<std::int64_t>(i);
    const at::Tensor together = all.evaluate(sampled, reward);
    if (together.dim() != 1) skip("evaluate returns no vector: see evaluates-any-transition");
    std::vector<at::Tensor> single;
    for (std::int64_t n = 0; n < rows; ++n) {
      single.push_back(all.evaluate(sampled, reward, n, n + 1));
    }
    const double apart = distance(together.slice(0, 0, rows), at::cat(single));
    if (apart > kRowwise) {
      fail(cat("reward '", world->info().rewards[i], "' of a transition depends on the others in ",
               "the call: apart by ", apart));
    }
  }
  return {};
}

// ---- preference worlds -------------------------------------------------------------------------

Verdict prompts_are_sorted(const Subject& subject) {
  const auto world = made<World>(subject);
  const at::Tensor prompts =
      needed<PreferenceWorld>(*world, "preference world").prompts().to(at::kLong).contiguous();
  const auto* p = prompts.const_data_ptr<std::int64_t>();
  if (prompts.numel() == 0) fail("there are no prompts");
  if (p[0] != 0) fail(cat("the first prompt is ", p[0], ": they are 0..P-1, sorted"));
  for (std::int64_t i = 1; i < prompts.numel(); ++i) {
    if (p[i] == p[i - 1] || p[i] == p[i - 1] + 1) continue;
    fail(cat("prompt ", p[i], " at response ", i, " follows prompt ", p[i - 1],
             ": they are 0..P-1, sorted"));
  }
  return {};
}

Verdict reference_is_log_probability(const Subject& subject) {
  const auto world = made<World>(subject);
  const at::Tensor& log = needed<PreferenceWorld>(*world, "preference world").log_reference();
  if (!log.defined()) skip("has no reference policy");
  if (!(log <= 0).all().item<bool>()) {
    fail("a log probability of the reference policy is above 0, or not a number");
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
    {"prompts-are-sorted", "world", "prompts are 0..P-1, sorted", 1, prompts_are_sorted},
    {"reference-is-log-probability", "world", "log pi_ref is a number, at most 0", 3,
     reference_is_log_probability},
};

}  // namespace

std::span<const Check> world_checks() { return kChecks; }

}  // namespace saffron::testing
