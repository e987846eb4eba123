#include "random.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.random", "0.1.0",
               saffron::component<saffron::plugins::RandomDictionary>(
                   "random", "Untrained baseline: random unit directions, the k largest kept")
                   .cite("Sanity checks for sparse autoencoders, arXiv 2602.14111"))
