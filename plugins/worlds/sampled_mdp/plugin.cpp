#include "sampled_mdp.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.sampled_mdp", "0.1.0",
               saffron::component<saffron::plugins::SampledMdp>(
                   "sampled_mdp", "Transitions drawn in a tabular world by its policy")
                   .describe("To try estimators where the truth is known: the recipe's seed, and "
                             "the node's, decide what is drawn."))
