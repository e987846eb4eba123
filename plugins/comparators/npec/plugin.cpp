#include "npec.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.npec", "0.1.0",
               saffron::component<saffron::plugins::Npec>(
                   "npec", "How far one reward is from another up to shaping and scale")
                   .describe("Exact, where it was first computed by gradient descent. Ignores the "
                             "dynamics, and so promises nothing about regret.")
                   .cite("Gleave et al. 2021, Quantifying Differences in Reward Functions"))
