#include "plugins/comparators/npec/npec.h"
#include "plugins/comparators/regret/regret.h"
#include "plugins/comparators/span/span.h"
#include "tests/plugins/comparators/canonicalisations/forms.h"

// Where episodes end, shaping is a matter of the potential there.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

constexpr const char* kEnding = "potential shaping that is 0 in terminal states";
constexpr std::int64_t kStates = 5, kActions = 3, kLast = kStates - 1;

bool claims(const Certificate& c, std::string_view what) {
  return std::find(c.invariant_to.begin(), c.invariant_to.end(), what) != c.invariant_to.end();
}

class Terminal : public ::testing::Test {
 protected:
  // Rewards: 0 random, 1 shaped with potential 0 in the terminal state, 2 with another one there.
  MemoryWorld next() {
    at::Tensor tau = random_.transitions(kStates, kActions);
    const double gamma = 0.9;
    const at::Tensor phi = 5 * random_.normal({kStates});
    phi[kLast] = 0;
    const auto shaped = [&](const at::Tensor& R, const at::Tensor& by) {
      return R + gamma * by.view({1, 1, kStates}) - by.view({kStates, 1, 1});
    };
    const at::Tensor R = random_.normal({kStates, kActions, kStates});
    at::Tensor end = phi.clone();
    end[kLast] = 20;
    tau[kLast].zero_();
    MemoryWorld world(tau, uniform({kStates}), gamma,
                      {{"R", R}, {"shaped", shaped(R, phi)}, {"to the end", shaped(R, end)}});
    world.terminal_[kLast] = true;
    return world;
  }

  // What a metric that removes shaping does in such a world, and says that it does.
  static void expect(const Comparison& found, const std::string& key, bool unending) {
    const PairMatrix& d = metric(found, key);
    const Certificate& c = certificate(found, key);
    EXPECT_LT(between(d, 0, 1), 1e-8) << key;
    EXPECT_EQ(between(d, 0, 2) < 1e-8, unending) << key;
    EXPECT_EQ(claims(c, "potential shaping"), unending) << key;
    EXPECT_EQ(claims(c, kEnding), !unending) << key;
    EXPECT_EQ(c.caveat.find("It takes episodes to go on for ever") != std::string::npos, unending)
        << key;
  }

  RandomWorlds random_{41};
};

TEST_F(Terminal, FormsSayWhichShapingTheyRemove) {
  for (int i = 0; i < 5; ++i) {
    const MemoryWorld world = next();
    for (const Form& form : forms()) {
      if (!form.removes_shaping) continue;
      const bool ending = form.removes_redistribution || form.name == "VALPotential";
      expect(form.compare(world), form.name + "/2-2", !ending);
    }
  }
}

TEST_F(Terminal, SoDoTheOthers) {
  for (int i = 0; i < 5; ++i) {
    const MemoryWorld world = next();
    expect(Span({}).compare(world), "span", false);
    expect(Span({}).compare(world), "w12", false);
    expect(Npec({}).compare(world), "NPEC", true);
    const Comparison regret = Regret({}).compare(world);
    EXPECT_TRUE(claims(certificate(regret, "regret1_pessimistic"), kEnding));
    EXPECT_LT(between(metric(regret, "regret1_pessimistic"), 0, 1), 1e-8);
  }
}

TEST_F(Terminal, WorldsThatDoNotEndNeedNoSuchWords) {
  const MemoryWorld world = golden_world(golden_vector("G02"));
  for (const Form& form : forms()) {
    for (const Certificate& c : form.compare(world).certificates) {
      EXPECT_FALSE(claims(c, kEnding)) << c.metric;
      EXPECT_EQ(c.caveat.find("go on for ever"), std::string::npos) << c.metric;
    }
  }
}

}  // namespace
}  // namespace saffron::plugins
