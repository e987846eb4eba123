#include "top_contexts.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.top_contexts", "0.1.0",
               saffron::component<saffron::plugins::TopContexts>(
                   "top_contexts", "The texts in which chosen latents are strongest")
                   .describe("Shows each latent's strongest contexts, one a dataset row, with the "
                             "activation at every token of a window around the peak."))
