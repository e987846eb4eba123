#include "testing/checks/comparator.h"

#include "testing/checks/regret.h"
#include "testing/driver.h"
#include "testing/drivers/worlds.h"
#include "testing/expect.h"

#include <saffron/error.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

namespace saffron::testing {
namespace {

constexpr double kNone = 1e-9;  // of distances and regrets that are 0

std::optional<Change> change_of(const std::string& spelling) {
  if (spelling == "potential shaping") return Change::shaped;
  if (spelling == "potential shaping that is 0 in terminal states") return Change::shaped;
  if (spelling == "S'-redistribution") return Change::redistributed;
  if (spelling == "positive scaling") return Change::scaled;
  return std::nullopt;
}

// The toy rewards, an equal one, and changed ones.
class Claims {
 public:
  explicit Claims(const Subject& subject) : bench_(subject) {
    std::vector<MadeReward> rewards;
    for (std::size_t i = 0; i < bench_.names().size(); ++i) {
      rewards.push_back({bench_.names()[i], static_cast<std::int64_t>(i)});
    }
    rewards.push_back({"r again", bench_.reward("r")});
    rewards.push_back({"other shaped", bench_.reward("other"), Change::shaped});
    world_ = with_rewards(bench_.world(), rewards, subject.random("claims"));
    found_ = bench_.compare(*world_);
    metrics_ = distances_of(found_, names().size());
  }

  [[nodiscard]] const World& world() const { return *world_; }
  [[nodiscard]] const std::vector<std::string>& names() const { return world_->info().rewards; }
  [[nodiscard]] const std::vector<Distances>& metrics() const { return metrics_; }
  [[nodiscard]] std::vector<Distances> pseudometrics() const {
    std::vector<Distances> out;
    std::copy_if(metrics_.begin(), metrics_.end(), std::back_inserter(out),
                 [](const Distances& d) { return d.pseudometric(); });
    if (out.empty()) skip("no certificate declares a pseudometric");
    return out;
  }
  [[nodiscard]] std::string pair(const Distances& d, std::size_t a, std::size_t b) const {
    return cat(d.key(), " of '", names()[a], "' and '", names()[b], "'");
  }

 private:
  CompareBench bench_;
  std::shared_ptr<World> world_;
  Comparison found_;
  std::vector<Distances> metrics_;
};

const TabularWorld& small_mdp(const World& world) {
  const auto* tabular = dynamic_cast<const TabularWorld*>(&world);
  if (tabular == nullptr) skip("compares in no tabular world, where regret is known");
  return *tabular;
}

bool orders_its_bounds(const Certificate& c) { return !c.L || !c.U || *c.L <= *c.U; }

}  // namespace

bool ignores_scale(const Certificate& certificate) {
  return std::any_of(certificate.invariant_to.begin(), certificate.invariant_to.end(),
                     [](const std::string& text) { return change_of(text) == Change::scaled; });
}

Verdict identical_runs_tie(const Subject& subject) {
  const Claims claims(subject);
  const auto& names = claims.names();
  const auto twin =
      static_cast<std::size_t>(std::find(names.begin(), names.end(), "r again") - names.begin());
  for (const Distances& d : claims.pseudometrics()) {
    for (std::size_t a = 0; a < d.size(); ++a) {
      if (std::abs(d(a, a)) > d.tolerance()) {
        fail(cat(claims.pair(d, a, a), ", the same, is ", d(a, a)));
      }
    }
    // Also where it is undefined, of a reward that is not 0.
    if (!(std::abs(d(0, twin)) <= d.tolerance())) {
      fail(cat(claims.pair(d, 0, twin), ", which are equal, is ", d(0, twin)));
    }
  }
  return {};
}

Verdict symmetric(const Subject& subject) {
  const Claims claims(subject);
  for (const Distances& d : claims.pseudometrics()) {
    for (std::size_t a = 0; a < d.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        if (d.same(d(a, b), d(b, a))) continue;
        fail(cat(claims.pair(d, a, b), " is ", d(a, b), ", and the other way round ", d(b, a)));
      }
    }
  }
  return {};
}

Verdict triangle_inequality(const Subject& subject) {
  const Claims claims(subject);
  for (const Distances& d : claims.pseudometrics()) {
    for (std::size_t a = 0; a < d.size(); ++a) {
      for (std::size_t b = 0; b < d.size(); ++b) {
        for (std::size_t c = 0; c < d.size(); ++c) {
          if (a == c) continue;                                          // identical-runs-tie
          if (!(d(a, c) > d(a, b) + d(b, c) + d.tolerance())) continue;  // also where NaN
          fail(cat(claims.pair(d, a, c), " is ", d(a, c), ", and by way of '", claims.names()[b],
                   "' ", d(a, b), " + ", d(b, c)));
        }
      }
    }
  }
  return {};
}

Verdict range_holds(const Subject& subject) {
  const Claims claims(subject);
  bool any = false;
  for (const Distances& d : claims.metrics()) {
    if (d.certificate() == nullptr) continue;
    any = true;
    const double low = d.certificate()->low, high = d.certificate()->high;
    if (!(low <= high)) fail(cat(d.key(), " declares the range [", low, ", ", high, "]"));
    for (std::size_t a = 0; a < d.size(); ++a) {
      for (std::size_t b = 0; b < d.size(); ++b) {
        if (!(d(a, b) < low - d.tolerance()) && !(d(a, b) > high + d.tolerance())) continue;
        fail(cat(claims.pair(d, a, b), " is ", d(a, b), ", outside the declared [", low, ", ", high,
                 "]"));
      }
    }
  }
  if (!any) skip("there are no certificates");
  return {};
}

namespace {

// Rewards 0 and 1, and the same changed as 2 and 3.
void check_blind(const Distances& d, const std::string& spelling) {
  const auto changes = [&](double before, double after) {
    if (d.same(before, after)) return;
    fail(cat(d.key(), " declares to be invariant to ", spelling, ", which changes a distance from ",
             before, " to ", after));
  };
  // That equal rewards are 0 apart is for identical-runs-tie to say.
  const double equal = std::max(std::abs(d(0, 0)), std::abs(d(1, 1)));
  if (d.pseudometric() && equal <= d.tolerance()) {
    changes(0, d(0, 2));
    changes(0, d(1, 3));
  }
  changes(d(0, 1), d(2, 1));
  changes(d(1, 0), d(1, 2));
  changes(d(0, 1), d(0, 3));
  changes(d(0, 1), d(2, 3));
}

}  // namespace

Verdict invariances_hold(const Subject& subject) {
  need_deterministic(subject);
  const CompareBench bench(subject);
  int tried = 0;
  for (const auto change : {Change::scaled, Change::shaped, Change::redistributed}) {
    const std::int64_t r = bench.reward("r"), other = bench.reward("other");
    const auto world = with_rewards(
        bench.world(),
        {{"r", r}, {"other", other}, {"r changed", r, change}, {"other changed", other, change}},
        subject.random("invariances"));
    if (world == nullptr) continue;  // means nothing in such a world
    const Comparison found = bench.compare(*world);
    for (const Distances& d : distances_of(found, 4)) {
      if (d.certificate() == nullptr) continue;
      for (const std::string& spelling : d.certificate()->invariant_to) {
        if (change_of(spelling) != change) continue;
        check_blind(d, spelling);
        ++tried;
      }
    }
  }
  if (tried == 0) skip("no certificate declares an invariance that can be tried here");
  return {};
}

Verdict invariances_known(const Subject& subject) {
  const CompareBench bench(subject);
  for (const Certificate& c : bench.found().certificates) {
    for (const std::string& text : c.invariant_to) {
      if (change_of(text)) continue;
      warn(
          cat("nobody checks that ", c.metric, " is invariant to '", text,
              "': known are 'potential shaping', 'potential shaping that is 0 in terminal states', "
              "'S'-redistribution' and 'positive scaling'"));
    }
  }
  return {};
}

Verdict bounds_ordered(const Subject& subject) {
  const CompareBench bench(subject);
  for (const Certificate& c : bench.found().certificates) {
    if (!orders_its_bounds(c)) fail(cat(c.metric, " declares L = ", *c.L, " above U = ", *c.U));
    if (c.U && !c.sound) fail(cat(c.metric, " declares U = ", *c.U, ", and not that it is sound"));
    if (c.L && !c.complete) {
      fail(cat(c.metric, " declares L = ", *c.L, ", and not that it is complete"));
    }
  }
  return {};
}

namespace {

// Calls check(d, pair, d(R1, R2), w12) for every pair and every metric that `declares` speaks of.
template <class F, class G>
void each_regret(const Subject& subject, F declares, const char* what, G check) {
  const Claims claims(subject);
  std::vector<Distances> chosen;
  for (const Distances& d : claims.metrics()) {
    if (d.certificate() == nullptr || !declares(*d.certificate())) continue;
    if (!orders_its_bounds(*d.certificate())) skip("L is above U: see bounds-ordered");
    chosen.push_back(d);
  }
  if (chosen.empty()) skip(cat("no certificate declares that a distance is ", what));
  const auto J = policy_returns(small_mdp(claims.world()));
  for (std::size_t a = 0; a < J.size(); ++a) {
    if (spread(J[a]) <= kNone) continue;  // nothing to lose
    for (std::size_t b = 0; b < J.size(); ++b) {
      if (J[a] == J[b]) continue;  // equal rewards: identical-runs-tie
      const double w = worst_regret(J[a], J[b]);
      for (const Distances& d : chosen) {
        if (std::isfinite(d(a, b))) check(d, claims.pair(d, a, b), d(a, b), w);
      }
    }
  }
}

}  // namespace

Verdict soundness_holds(const Subject& subject) {
  each_regret(
      subject, [](const Certificate& c) { return c.sound; }, "sound",
      [](const Distances& d, const std::string& pair, double apart, double regret) {
        const std::optional<double> U = d.certificate()->U;
        if (apart <= kNone && regret > d.tolerance()) {
          fail(cat(pair, " is ", apart, ", and one may lose ", regret,
                   " of the first reward by optimising the second"));
        }
        if (U && regret > *U * (apart + d.tolerance()) + kNone) {
          fail(cat(pair, " is ", apart, ", and worst-case regret ", regret,
                   " is more than U = ", *U, " times that"));
        }
      });
  return {};
}

Verdict completeness_holds(const Subject& subject) {
  each_regret(
      subject, [](const Certificate& c) { return c.complete; }, "complete",
      [](const Distances& d, const std::string& pair, double apart, double regret) {
        const std::optional<double> L = d.certificate()->L;
        if (regret <= kNone && apart > d.tolerance()) {
          fail(cat(pair, " is ", apart, ", and nothing is lost by optimising the second reward"));
        }
        if (L && regret < *L * (apart - d.tolerance()) - kNone) {
          fail(cat(pair, " is ", apart, ", and worst-case regret ", regret,
                   " is less than L = ", *L, " times that"));
        }
      });
  return {};
}

}  // namespace saffron::testing
