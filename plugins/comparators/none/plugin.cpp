#include "none.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.none", "0.1.0",
               saffron::component<saffron::plugins::None>(
                   "none", "Distances between rewards as they are, without canonicalisation")
                   .describe("A baseline: it sees shaping, and so says nothing about behaviour."))
