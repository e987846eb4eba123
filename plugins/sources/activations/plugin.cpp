#include "activations.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.activations", "0.1.0",
               saffron::component<saffron::plugins::Activations>(
                   "activations", "activations from safetensors or .npy files, globally shuffled")
                   .describe("One's own, written from Python, or those that the cache of "
                             "`model_activations` keeps. docs/activation-files.md has the format."))
