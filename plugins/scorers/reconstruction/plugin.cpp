#include "reconstruction.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.reconstruction", "0.1.0",
               saffron::component<saffron::plugins::Reconstruction>(
                   "reconstruction",
                   "How well SAEs reconstruct, how sparse their codes are, which latents are dead")
                   .describe("Sums over all rows in float64, never averages of batches."))
