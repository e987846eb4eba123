#include "regret.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.regret", "0.1.0",
               saffron::component<saffron::plugins::Regret>(
                   "regret", "What optimising one reward loses of another, by exact planning")
                   .describe("The quantity that distances between rewards are judged by. A small "
                             "one promises nothing of policies that are less than optimal: for "
                             "these, see span.")
                   .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying "
                         "Differences Between Reward Functions"))
