#include "direct.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.direct", "0.1.0",
               saffron::component<saffron::plugins::Direct>(
                   "direct", "Mean distances between rewards as they are, in their own units")
                   .describe("A baseline: it sees scale and shaping, and so says nothing about "
                             "behaviour.")
                   .cite("Gleave et al. 2021, Quantifying Differences in Reward Functions"))
