#include "testing/checks/comparator.h"

#include "testing/drivers/worlds.h"
#include "testing/expect.h"

#include <saffron/error.h>

#include <algorithm>
#include <cmath>

// Rewards that are 0 everywhere.

namespace saffron::testing {
namespace {

bool mentions(const std::vector<std::string>& sentences, const std::string& name) {
  return std::any_of(sentences.begin(), sentences.end(), [&](const std::string& sentence) {
    return sentence.find(name) != std::string::npos;
  });
}

// Two rewards and one that is 0, by names that no sentence has by chance.
struct Degenerate {
  std::vector<std::string> names = {"reward_alpha", "reward_beta", "reward_nil"};
  CompareBench bench;
  Comparison found;
  explicit Degenerate(const Subject& subject) : bench(subject) {
    found = bench.compare(*with_rewards(bench.world(),
                                        {{names[0], bench.reward("r")},
                                         {names[1], bench.reward("other")},
                                         {names[2], bench.reward("zero")}},
                                        subject.random("degenerate")));
  }
};

}  // namespace

// A distance that does not see positive factors is the same from c R as from R: from 0, their
// limit, it has no value of its own. Distances that see them have one, and need not report it.
Verdict degenerate_is_reported(const Subject& subject) {
  const Degenerate of(subject);
  const std::size_t zero = of.names.size() - 1;
  bool scaleless = false;
  for (const Distances& d : distances_of(of.found, of.names.size())) {
    if (d.certificate() == nullptr || !ignores_scale(*d.certificate())) continue;
    scaleless = true;
    if (std::isnan(d(0, zero)) && std::isnan(d(zero, 0))) continue;
    if (mentions(of.found.degenerate, of.names[zero])) continue;
    fail(cat(d.key(), " does not see positive factors, and puts a reward that is 0 everywhere ",
             d(0, zero), " from another, neither undefined nor named in `degenerate`"));
  }
  if (!scaleless) skip("no certificate declares invariance to scaling: 0 is a reward like others");
  return {};
}

Verdict degenerate_names_rewards(const Subject& subject) {
  const Degenerate of(subject);
  for (const std::string& sentence : of.found.degenerate) {
    if (std::none_of(of.names.begin(), of.names.end(), [&](const std::string& name) {
          return sentence.find(name) != std::string::npos;
        })) {
      fail(cat("`degenerate` says \"", sentence, "\", and of no reward"));
    }
  }
  return {};
}

}  // namespace saffron::testing
