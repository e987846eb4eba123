#include "gated.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.gated", "0.1.0",
    saffron::component<saffron::plugins::Gated>(
        "gated", "One path chooses the active latents, another says how active they are")
        .describe("So that the L1 penalty on the choice does not shrink the codes.")
        .cite("Rajamanoharan et al. 2024, Improving Dictionary Learning with Gated Sparse "
              "Autoencoders"))
