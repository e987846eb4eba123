#include "gemma_scope.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.gemma_scope", "0.1.0",
               saffron::component<saffron::plugins::GemmaScope>("gemma_scope",
                                                                "Gemma Scope's folders: params.npz")
                   .describe("jumprelu; relu is written as jumprelu with thresholds of 0. Reads "
                             "Gemma Scope 2's params.safetensors too. Written weights read raw "
                             "activations.")
                   .cite("Lieberum et al. 2024, Gemma Scope"))
