#include "transitions.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.transitions", "0.1.0",
               saffron::component<saffron::plugins::SampledTransitions>(
                   "transitions",
                   "Transitions drawn from an environment, with rewards, from a file")
                   .describe("Each reward's values are given, by whatever computed them; they are "
                             "known of these transitions, and of further ones that the file has. A "
                             "distance that asks for others is told which one is lacking."))
