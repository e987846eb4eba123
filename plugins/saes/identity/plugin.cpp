#include "identity.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.identity", "0.1.0",
               saffron::component<saffron::plugins::Identity>(
                   "identity", "Untrained baseline: the neurons themselves are the latents")
                   .describe("With `k` the largest activations alone are kept.")
                   .cite("Cunningham et al. 2024, Sparse autoencoders find highly interpretable "
                         "directions in language models"))
