#include "tests/plugins/comparators/canonicalisations/forms.h"

#include <saffron/reward_planning.h>

#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_matrix_rank.h>

// What canonicalisations keep of a reward: its order of policies, and all but their kernel.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

constexpr int kWorlds = 20;

MemoryWorld world_of(RandomWorlds& random, std::int64_t S, std::int64_t A, int count) {
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (int i = 0; i < count; ++i) named.emplace_back(cat("R", i), random.normal({S, A, S}));
  MemoryWorld world(random.transitions(S, A), random.probabilities({S}), random.discount(), named);
  world.policy_ = random.probabilities({S, A});
  world.D_S = random.probabilities({S});
  world.D_A = random.probabilities({A});
  return world;
}

// J of rewards [K, S, A] in a world whose states are all reached.
at::Tensor returns(const rewards::Planner& planner, const at::Tensor& policy,
                   const at::Tensor& rewards) {
  const rewards::Plan plan = planner.plan(
      {policy.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(policy.numel())});
  at::Tensor out = at::zeros({rewards.size(0)}, at::kDouble);
  for (std::int64_t k = 0; k < rewards.size(0); ++k) {
    const at::Tensor r = rewards[k].contiguous();
    out[k] =
        planner.returns(plan, {r.const_data_ptr<double>(), static_cast<std::size_t>(r.numel())});
  }
  return out;
}

// J of c(R) less J of R, over random policies: how far it is from one constant.
double spread_of_differences(const Form& form, const MemoryWorld& world, RandomWorlds& random) {
  const at::Tensor& tau = world.transitions_.dense;
  const at::Tensor change = rewards::expected_rewards(tau, cube(form, world).contiguous()) -
                            rewards::expected_rewards(tau, world.rewards_);
  const rewards::Planner planner(world);
  at::Tensor low, high;
  for (int i = 0; i < 12; ++i) {
    const at::Tensor policy = random.normal({tau.size(0), tau.size(1)}).argmax(-1).contiguous();
    const at::Tensor J = returns(planner, policy, change);
    low = i == 0 ? J : low.minimum(J);
    high = i == 0 ? J : high.maximum(J);
  }
  return largest(high - low);
}

TEST(FormsOrder, ReturnsDifferByAConstantExceptUnderDard) {
  RandomWorlds random(31);
  for (const Form& form : forms()) {
    int changed = 0;
    for (int i = 0; i < kWorlds; ++i) {
      const MemoryWorld world = world_of(random, random.size(), random.size(), 2);
      const double spread = spread_of_differences(form, world, random);
      if (form.orders_policies) EXPECT_LT(spread, 1e-9) << form.name;
      changed += spread > 1e-6 ? 1 : 0;
    }
    // gamma = 0 and the like apart, DARD's reward orders policies in another way.
    if (!form.orders_policies) EXPECT_GE(changed, kWorlds - 2) << form.name;
  }
}

TEST(FormsOrder, IdempotentExceptDard) {
  RandomWorlds random(32);
  for (const Form& form : forms()) {
    int changed = 0;
    for (int i = 0; i < kWorlds; ++i) {
      MemoryWorld world = world_of(random, random.size(), random.size(), 2);
      const at::Tensor once = cube(form, world).contiguous();
      world.rewards_ = once;
      const double change = largest(cube(form, world) - once);
      if (form.idempotent) EXPECT_LT(change, 1e-10) << form.name;
      changed += change > 1e-6 ? 1 : 0;
    }
    if (!form.idempotent) EXPECT_GE(changed, kWorlds - 2) << form.name;
  }
}

TEST(FormsOrder, Linear) {
  RandomWorlds random(33);
  for (const Form& form : forms()) {
    for (int i = 0; i < kWorlds; ++i) {
      MemoryWorld world = world_of(random, random.size(), random.size(), 3);
      world.rewards_[2] = 3 * world.rewards_[0] - 0.5 * world.rewards_[1];
      const at::Tensor c = cube(form, world);
      EXPECT_LT(largest(c[2] - (3 * c[0] - 0.5 * c[1])), 1e-10) << form.name;
    }
  }
}

// The rank of c as a matrix of S A S columns: its kernel is nothing, shaping alone (dimension S), or
// shaping and S'-redistribution together.
TEST(FormsOrder, KernelsHaveTheirDimension) {
  RandomWorlds random(34);
  for (const auto& [S, A] : {std::pair{2, 2}, {3, 2}, {4, 3}}) {
    for (const Form& form : forms()) {
      MemoryWorld world = world_of(random, S, A, 1);
      const std::int64_t count = S * A * S;
      world.rewards_ = at::eye(count, at::kDouble).view({count, S, A, S});
      for (std::int64_t i = 1; i < count; ++i) world.info_.rewards.push_back(cat("e", i));
      const at::Tensor matrix = cube(form, world).reshape({count, count});
      const std::int64_t rank = at::linalg_matrix_rank(matrix, 1e-9).item<std::int64_t>();
      const std::int64_t kept = form.removes_redistribution ? S * A - S
                                : form.removes_shaping      ? count - S
                                                            : count;
      EXPECT_EQ(rank, kept) << form.name << " " << S << " " << A;
    }
  }
}

// |Minimal_L2| <= |MinimalPotential_L2| <= |c| for every c that removes shaping alone, when D_S and
// D_A are uniform; and weighted by tau, |Minimal_tauL2| is least of all STARC forms.
TEST(FormsOrder, MinimalFormsAreSmallest) {
  RandomWorlds random(35);
  for (int i = 0; i < kWorlds; ++i) {
    MemoryWorld world = world_of(random, random.size(), random.size(), 4);
    const std::int64_t S = world.transitions_.states, A = world.transitions_.actions;
    world.D_S = uniform({S});
    world.D_A = uniform({A});
    const auto length = [&](const char* name) {
      return cube(form(name), world).flatten(1).norm(2, 1);
    };
    const auto weighted = [&](const char* name) {
      return (cube(form(name), world).square() * world.transitions_.dense).flatten(1).sum(1).sqrt();
    };
    const auto at_most = [](const at::Tensor& a, const at::Tensor& b) {
      EXPECT_TRUE((a <= b + 1e-10).all().item<bool>());
    };
    at_most(length("Minimal_L2"), length("MinimalPotential_L2"));
    for (const char* name : {"EPIC", "VALPotential"}) {
      at_most(length("MinimalPotential_L2"), length(name));
    }
    for (const char* name : {"VAL", "Minimal_tauL2"}) {
      at_most(length("Minimal_L2"), length(name));
    }
    for (const char* name : {"VAL", "Minimal_L2", "VALPotential", "EPIC"}) {
      at_most(weighted("Minimal_tauL2"), weighted(name));
    }
  }
}

// An episode that ends leaves no value behind: shaping with potential 0 there changes nothing, and
// what terminal states are said to pay counts for none of the forms that policies' returns decide.
TEST(FormsOrder, TerminalStates) {
  RandomWorlds random(36);
  for (int i = 0; i < kWorlds; ++i) {
    const std::int64_t S = random.size() + 1, A = random.size();
    MemoryWorld world = world_of(random, S, A, 3);
    at::Tensor tau = world.transitions_.dense;
    tau[S - 1].zero_();
    at::Tensor phi = random.normal({S}) * 5;
    phi[S - 1] = 0;
    const at::Tensor shaping = world.gamma_ * phi.unsqueeze(0) - phi.unsqueeze(1);
    world.rewards_[1] = world.rewards_[0] + shaping.unsqueeze(1);
    world.rewards_[2] = world.rewards_[0];
    world.rewards_[2][S - 1] += 7;
    for (const Form& form : forms()) {
      const at::Tensor c = cube(form, world);
      EXPECT_TRUE(c.isfinite().all().item<bool>()) << form.name;
      if (form.removes_shaping) EXPECT_LT(largest(c[1] - c[0]), 1e-9) << form.name;
      if (form.removes_redistribution) EXPECT_LT(largest(c[2] - c[0]), 1e-9) << form.name;
    }
  }
}

}  // namespace
}  // namespace saffron::plugins
