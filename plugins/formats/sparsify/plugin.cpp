#include "sparsify.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.sparsify", "0.1.0",
               saffron::component<saffron::plugins::Sparsify>(
                   "sparsify", "EleutherAI's sparsify folders: cfg.json and sae.safetensors")
                   .describe("topk and groupmax; relu is written as topk of all latents. Written "
                             "weights read raw activations."))
