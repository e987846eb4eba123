#include "l1.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.l1", "0.1.0",
    saffron::component<saffron::plugins::L1>("l1", "L1 norm of the codes")
        .describe("The convention says what the coefficient multiplies: papers differ by "
                  "factors of the width and of the number of latents.")
        .cite("Bricken et al. 2023; Cunningham et al. 2024"))
