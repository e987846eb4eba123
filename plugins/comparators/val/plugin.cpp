#include "val.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.val", "0.1.0",
               saffron::component<saffron::plugins::Val>(
                   "val", "STARC distances between rewards by the advantage of a fixed policy")
                   .describe("Sound and complete where every state can be reached: a small "
                             "distance bounds the regret of optimising "
                             "one reward for the other, a large one means that regret is possible.")
                   .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying "
                         "Differences Between Reward Functions"))
