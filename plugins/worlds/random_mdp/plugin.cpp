#include "random_mdp.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.random_mdp", "0.1.0",
    saffron::component<saffron::plugins::RandomMdp>(
        "random_mdp", "A random MDP and random rewards, by the published protocol")
        .describe("tau is a softmax of normal numbers of which only those above a "
                  "threshold count; rewards are normal, and at random made sparse, "
                  "scaled, shifted and shaped. The recipe's seed, and the node's, decide.")
        .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying "
              "Differences Between Reward Functions"))
