#include "matryoshka.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.matryoshka", "0.1.0",
    saffron::component<saffron::plugins::Matryoshka>(
        "matryoshka", "Nested dictionaries under one BatchTopK, each reconstructs alone")
        .describe("Early latents learn general features, later ones their details.")
        .cite("Bussmann et al. 2025, Learning Multi-Level Features with Matryoshka Sparse "
              "Autoencoders"))
