#include "src/rewards/contributions.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr const char* kNotSeen =
    ", which no policy's return does: rewards that order all policies in opposite ways can be near "
    "0 apart, and rewards that order them alike far apart.";

void need(Certificate& certificate, const char* what) {
  auto& needs = certificate.needs;
  if (std::find(needs.begin(), needs.end(), what) == needs.end()) needs.emplace_back(what);
}

// Whether impossible transitions have no weight in it.
bool on_possible(const Measure& measure) {
  using Kind = Measure::Kind;
  switch (measure.kind) {
    case Kind::norms:
      return measure.distance >= Norm::weighted_one &&
             (measure.normalise == Norm::none || measure.normalise >= Norm::weighted_one);
    case Kind::weighted_angle:
    case Kind::pearson_reachable: return true;
    case Kind::angle:
    case Kind::pearson_uniform: break;
  }
  return false;
}

std::string caveat(bool on_possible, Shaping removed, bool reads_impossible) {
  const std::string spread = cat(removed == Shaping::none ? "potential shaping, and " : "",
                                 "how a reward is spread over next states", kNotSeen);
  if (!on_possible) return cat("It reads rewards of transitions that cannot happen, and ", spread);
  if (!reads_impossible) return cat("It sees ", spread);
  return cat(
      "It measures on possible transitions only, but its canonical form reads impossible "
      "ones, and it sees ",
      spread);
}

// "0, 3 and 4 more": where x is true.
std::string places(const at::Tensor& x) {
  std::string out;
  std::int64_t count = 0;
  const bool* here = x.const_data_ptr<bool>();
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    if (!here[i]) continue;
    if (++count <= 8) out += (out.empty() ? "" : ", ") + std::to_string(i);
  }
  return count > 8 ? cat(out, " and ", count - 8, " more") : out;
}

// Whose rewards are in the forms and in no policy's return. Forms are 0 in terminal states.
at::Tensor hidden_states(const TabularWorld& world) {
  return counted_states(world).logical_not() & world.terminal().logical_not();
}

}  // namespace

void add_caveat(Certificate& out, std::string_view sentence) {
  if (!out.caveat.empty()) out.caveat += " ";
  out.caveat += sentence;
}

void claim_shaping(const TabularWorld& world, Shaping removed, Certificate& out) {
  if (removed == Shaping::none) return;
  const bool ends = world.terminal().any().item<bool>();
  out.invariant_to.emplace_back(removed == Shaping::ending && ends
                                    ? "potential shaping that is 0 in terminal states"
                                    : "potential shaping");
  if (removed == Shaping::ending || !ends) return;
  add_caveat(out,
             "It takes episodes to go on for ever: that a potential ends in a terminal state, or a "
             "reward per step with its episode, changes returns and not the distance.");
}

void except_trivial(const std::vector<std::string>& trivial, Certificate& out) {
  if (trivial.empty() || !out.complete) return;
  std::string names;
  for (const std::string& name : trivial) names += (names.empty() ? "'" : ", '") + name + "'";
  add_caveat(out, cat("Going by another reward loses nothing of ", names,
                      trivial.size() == 1 ? ", which is trivial" : ", which are trivial",
                      ", however large the distance."));
}

// Every norm here is a norm on the image of a STARC canonicalisation, and the angle is equivalent
// to the distance of unit vectors. No policy's return sees states that are not reached.
Certify starc_claims(const TabularWorld& world, std::vector<std::string> needs) {
  return [&world, needs = std::move(needs), states = places(hidden_states(world))](
             const Measure& measure, Certificate& out) {
    out.needs = needs;
    claim_shaping(world, Shaping::ending, out);
    out.invariant_to.emplace_back("S'-redistribution");
    out.covers = "all policies of this MDP";
    out.sound = out.complete = measure.scale_invariant() && states.empty();
    if (!measure.scale_invariant()) {
      add_caveat(out,
                 "Not normalised: it grows with the rewards' scale, which no policy's order sees.");
    }
    if (!states.empty()) {
      add_caveat(out, cat("No policy's return from mu0 depends on these states: ", states,
                          "; rewards there count in the distance alone, and bring it near 0 or far "
                          "from 0 whatever policies earn."));
    }
  };
}

Certify reward_claims(const TabularWorld& world, std::vector<std::string> needs, Shaping removed,
                      bool reads_impossible) {
  return [&world, needs = std::move(needs), removed, reads_impossible](const Measure& measure,
                                                                       Certificate& out) {
    out.needs = needs;
    if (measure.weighted()) need(out, "transitions");
    if (measure.pearson()) {
      std::erase(out.needs, kActions);  // which is part of it
      need(out, kCoverage);
    }
    out.covers = "the reward functions alone, not what policies earn by them";
    out.caveat = caveat(on_possible(measure), removed, reads_impossible);
    claim_shaping(world, removed, out);
  };
}

namespace {

auto needs(const char* what) {
  return [what](const Certificate& c) { return std::ranges::find(c.needs, what) != c.needs.end(); };
}

// Unless another form of the same comparison has said so.
void say(Comparison& out, std::string text) {
  const auto& said = out.degenerate;
  if (std::find(said.begin(), said.end(), text) != said.end()) return;
  out.degenerate.push_back(std::move(text));
}

void add_distances(Comparison& out, const Distances& distances, const Certify& certify,
                   const std::vector<std::string>& names) {
  std::vector<PairMatrix> matrices = distances.matrices();
  if (auto block = contributions_block(distances, matrices, names)) {
    out.report.blocks.push_back(std::move(*block));
  }
  std::move(matrices.begin(), matrices.end(), std::back_inserter(out.metrics));
  for (const Measure& measure : distances.measures()) {
    Certificate certificate = distances.certificate(measure);
    certify(measure, certificate);
    except_trivial(distances.trivial(), certificate);
    out.certificates.push_back(std::move(certificate));
  }
}

}  // namespace

void add_form(Comparison& out, const Canonical& form, const Distances& distances,
              const std::vector<std::string>& names, const Certify& certify,
              std::string_view trivial) {
  add_distances(out, distances, certify, names);
  for (const std::string& name : distances.trivial()) {
    say(out, cat("reward '", name, "' ", trivial));
  }
  for (const std::string& name : distances.faint()) {
    say(out,
        cat("reward '", name, "' is so small that float64 holds few digits of it: scale it up"));
  }
  for (std::string& text : uncertain(form, names)) say(out, std::move(text));
}

void warn_of_coverage(Comparison& out, const TabularWorld& world) {
  const bool states = std::ranges::any_of(out.certificates, needs(kCoverage));
  if (!states && !std::ranges::any_of(out.certificates, needs(kActions))) return;
  const at::Tensor missed = (world.state_distribution() == 0) & counted_states(world);
  const at::Tensor actions = world.action_distribution() == 0;
  std::string what;
  if (states && missed.any().item<bool>()) what = "D_S is 0 in reachable states: " + places(missed);
  if (actions.any().item<bool>()) {
    what += (what.empty() ? "" : ". ") + ("D_A is 0 of actions: " + places(actions));
  }
  if (what.empty()) return;
  say(out, cat("coverage misses what policies do. ", what,
               ". Rewards there have no weight, and no multiple of the distance bounds regret"));
}

void warn_of_unreached(Comparison& out, const TabularWorld& world) {
  const std::string states = places(hidden_states(world));
  if (states.empty()) return;
  // With a discount of 0 only where episodes start counts, and the rest is reached all the same.
  const bool left_out = reachable_states(world).logical_not().any().item<bool>();
  say(out, cat("no policy's return from mu0 depends on these states: ", states,
               ". Their rewards may count in these numbers all the same. span and regret leave "
               "such states out",
               left_out ? ", as a tabular world does with states = \"reachable\"" : ""));
}

Comparison compare_forms(const Canonicaliser& by, const TabularWorld& world,
                         const std::vector<std::string>& names, const Certify& certify,
                         std::string_view trivial) {
  Comparison out;
  for (const Canonical& form : by.forms(world)) {
    add_form(out, form, {world, form, names, by.measures()}, names, certify, trivial);
  }
  warn_of_coverage(out, world);
  warn_of_unreached(out, world);
  return out;
}

}  // namespace saffron::inline sdk_v1::rewards
