#include "val_potential.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.val_potential", "0.1.0",
               saffron::component<saffron::plugins::ValPotential>(
                   "val_potential",
                   "Distances between rewards that are shaped by the values of a fixed policy")
                   .describe("VAL without its mean over next states, and without its promises "
                             "about regret.")
                   .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying "
                         "Differences Between Reward Functions"))
