#include "regret_correlation.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.regret_correlation", "0.1.0",
    saffron::component<saffron::plugins::RegretCorrelation>(
        "regret_correlation", "How closely distances between rewards go with exact regret")
        .describe("Over the first reward and each other of every environment of a family: "
                  "correlations of each distance with the regret of optimal policies and with "
                  "worst-case regret, and the constants by which it bounds the latter.")
        .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying Differences Between "
              "Reward Functions, section 4.1"))
