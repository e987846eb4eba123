#include "loss_recovered.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.loss_recovered", "0.1.0",
    saffron::component<saffron::plugins::LossRecovered>(
        "loss_recovered", "What a language model loses when SAEs stand in for its activations")
        .describe("Next-token cross-entropy and KL with each SAE spliced in, against the "
                  "clean model and against zero and mean ablation of the same site."))
