#pragma once

#include "plugins/comparators/dard/dard.h"
#include "plugins/comparators/epic/epic.h"
#include "plugins/comparators/minimal/minimal.h"
#include "plugins/comparators/minimal_potential/minimal_potential.h"
#include "plugins/comparators/none/none.h"
#include "plugins/comparators/val/val.h"
#include "plugins/comparators/val_potential/val_potential.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <functional>
#include <string>
#include <vector>

// Every canonicalisation of tabular rewards, and what holds of it in every MDP.

namespace saffron::plugins {

struct Form {
  std::string name;
  std::function<rewards::Canonical(const TabularWorld&)> canonical;
  std::function<Comparison(const World&)> compare;  // every distance that it offers
  bool removes_shaping;                             // c(gamma Phi(s') - Phi(s)) = 0
  bool removes_redistribution;  // and c(D) = 0 where sum_s' tau D = 0: a STARC canonicalisation
  bool orders_policies;         // J of c(R) and of R differ by a constant
  bool idempotent;
  bool correlates;  // offers Pearson distances
};

inline const std::vector<std::string> kAll = {"all"};
inline const std::vector<std::string> kAllAndPearson = {"all", "pearson-uniform",
                                                        "pearson-reachable"};

inline const std::vector<Form>& forms() {
  static const std::vector<Form> kForms = {
      {"None", none_form, [](const World& w) { return None({kAllAndPearson}).compare(w); }, false,
       false, true, true, true},
      {"EPIC", epic_form, [](const World& w) { return Epic({kAllAndPearson}).compare(w); }, true,
       false, true, true, true},
      {"DARD", [](const TabularWorld& w) { return dard_form(w, false); },
       [](const World& w) { return Dard({kAllAndPearson, {"shared"}}).compare(w); }, true, false,
       false, false, true},
      {"DARD_indepA", [](const TabularWorld& w) { return dard_form(w, true); },
       [](const World& w) { return Dard({kAllAndPearson, {"independent"}}).compare(w); }, true,
       false, false, false, true},
      {"MinimalPotential_L2", rewards::minimal_potential_form,
       [](const World& w) { return MinimalPotential({kAllAndPearson}).compare(w); }, true, false,
       true, true, true},
      {"VALPotential", val_potential_form,
       [](const World& w) { return ValPotential({kAllAndPearson}).compare(w); }, true, false, true,
       true, true},
      {"VAL", [](const TabularWorld& w) { return val_form(w, w.policy()); },
       [](const World& w) { return Val({kAll}).compare(w); }, true, true, true, true, false},
      {"Minimal_L2", [](const TabularWorld& w) { return minimal_form(w, MinimalWeights::one); },
       [](const World& w) { return Minimal({kAll, {"one"}}).compare(w); }, true, true, true, true,
       false},
      {"Minimal_tauL2", [](const TabularWorld& w) { return minimal_form(w, MinimalWeights::tau); },
       [](const World& w) { return Minimal({kAll, {"tau"}}).compare(w); }, true, true, true, true,
       false},
  };
  return kForms;
}

inline const Form& form(std::string_view name) {
  for (const Form& candidate : forms()) {
    if (candidate.name == name) return candidate;
  }
  throw Error(cat("there is no form ", name));
}

// c(R) of all rewards as whole cubes [R, S, A, S].
inline at::Tensor cube(const Form& of, const TabularWorld& world) {
  return of.canonical(world).values.expand(world.rewards().sizes());
}

}  // namespace saffron::plugins
