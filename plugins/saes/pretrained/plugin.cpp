#include "pretrained.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.pretrained", "0.1.0",
               saffron::component<saffron::plugins::Pretrained>(
                   "pretrained", "A trained SAE from another library's files, frozen")
                   .describe("Its weights read raw activations: give it a source that neither "
                             "centres nor scales."))
