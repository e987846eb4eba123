#include "saelens.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.saelens", "0.1.0",
    saffron::component<saffron::plugins::SaeLens>(
        "saelens", "SAELens folders: cfg.json and sae_weights.safetensors")
        .describe("Written weights read raw activations; centring and scaling are folded "
                  "in."))
