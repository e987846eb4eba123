#include "model_activations.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.model_activations", "0.1.0",
               saffron::component<saffron::plugins::ModelActivations>(
                   "model_activations", "a model's activations at named sites over a dataset")
                   .describe("Blocks of whole contexts, made when asked for. `cache` keeps them as "
                             "activation files, which the `activations` source reads too."))
