#include "minimal.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.minimal", "0.1.0",
               saffron::component<saffron::plugins::Minimal>(
                   "minimal", "STARC distances between rewards in their smallest equivalent form")
                   .describe("Sound and complete where every state can be reached: a small "
                             "distance bounds the regret of optimising "
                             "one reward for the other, a large one means that regret is possible. "
                             "Depends on no policy.")
                   .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying "
                         "Differences Between Reward Functions"))
