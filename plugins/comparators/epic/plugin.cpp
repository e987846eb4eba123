#include "epic.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.epic", "0.1.0",
               saffron::component<saffron::plugins::Epic>(
                   "epic", "EPIC distances between rewards: correlation after removing shaping")
                   .describe("Ignores the dynamics, and so promises nothing about regret: read it "
                             "beside val.")
                   .cite("Gleave et al. 2021, Quantifying Differences in Reward Functions"))
