#include "crosscoder.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.crosscoder", "0.1.0",
    saffron::component<saffron::plugins::Crosscoder>(
        "crosscoder", "One dictionary for several streams: models, layers or sites")
        .describe("Latents are shared, each stream has an encoder and a decoder. Other "
                  "architectures that read several streams are crosscoders too, with their "
                  "own activation and sparsity.")
        .cite("Lindsey et al. 2024, Sparse Crosscoders for Cross-Layer Features and Model "
              "Diffing; Minder et al. 2025, Overcoming Sparsity Artifacts in Crosscoders to "
              "Interpret Chat-Tuning"))
