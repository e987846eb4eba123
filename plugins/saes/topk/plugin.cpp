#include "topk.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.topk", "0.1.0",
               saffron::component<saffron::plugins::TopK>(
                   "topk", "Keeps the k largest pre-activations of each row")
                   .describe("An auxiliary loss (AuxK) lets dead latents model the residual.")
                   .cite("Gao et al. 2024, Scaling and evaluating sparse autoencoders"))
