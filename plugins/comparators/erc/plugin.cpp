#include "erc.h"
#include "erc_sample.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.erc", "0.1.0",
               saffron::component<saffron::plugins::Erc>(
                   "erc", "Correlation of episodes' returns under two rewards")
                   .describe("Exact over all episodes of the world's policy. Says nothing of other "
                             "policies.")
                   .cite("Gleave et al. 2021, Quantifying Differences in Reward Functions"),
               saffron::component<saffron::plugins::ErcSample>(
                   "erc_sample", "Correlation of drawn episodes' returns under two rewards")
                   .describe("Reads the data alone. Says nothing of other policies than the one "
                             "that drew them.")
                   .cite("Gleave et al. 2021, Quantifying Differences in Reward Functions"))
