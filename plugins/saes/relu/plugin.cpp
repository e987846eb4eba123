#include "relu.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.relu", "0.1.0",
               saffron::component<saffron::plugins::Relu>("relu",
                                                          "ReLU codes, made sparse by a penalty")
                   .describe("Add a regularizer such as l1 to its train node.")
                   .cite("Cunningham et al. 2024, Sparse autoencoders find highly interpretable "
                         "directions in language models"))
