#include "srrd.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.srrd", "0.1.0",
               saffron::component<saffron::plugins::Srrd>(
                   "srrd",
                   "SRRD distances between rewards: means over possible or drawn transitions")
                   .describe("Made for rewards that are known on few transitions; promises nothing "
                             "about regret.")
                   .cite("Nyanhongo et al. 2025, Sparsity-Resilient Reward Distance"))
