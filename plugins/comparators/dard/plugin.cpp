#include "dard.h"
#include "dard_sample.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.dard", "0.1.0",
    saffron::component<saffron::plugins::Dard>(
        "dard", "DARD distances between rewards: EPIC with the world's transitions")
        .describe("Reads the rewards of transitions near possible ones, some of them "
                  "impossible, and promises nothing about regret: read it beside val.")
        .cite("Wulfe et al. 2022, Dynamics-Aware Comparison of Learned Reward "
              "Functions"),
    saffron::component<saffron::plugins::DardSample>(
        "dard_sample", "DARD distances between rewards, estimated from drawn transitions")
        .describe("What follows a state is what followed it in the data: for worlds whose states "
                  "come again. Asks for the rewards of transitions that were not drawn, and "
                  "promises nothing about regret.")
        .cite("Wulfe et al. 2022, Dynamics-Aware Comparison of Learned Reward "
              "Functions"))
