#include "cross_layer_transcoder.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.cross_layer_transcoder", "0.1.0",
    saffron::component<saffron::plugins::CrossLayerTranscoder>(
        "cross_layer_transcoder", "Latents of each layer write to that layer and to all later ones")
        .describe("Reads one stream a layer (what goes into its MLP) and predicts one a layer "
                  "(what comes out), both in the order of the layers. One code space a layer.")
        .cite("Ameisen et al. 2025, Circuit Tracing: Revealing Computational Graphs in "
              "Language Models"))
