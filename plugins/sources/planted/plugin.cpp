#include "planted.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.planted", "0.1.0",
    saffron::component<saffron::plugins::PlantedSource>(
        "planted", "Sparse sums of known features, to see whether an SAE finds them")
        .describe(
            "Three published toy generators, each as its authors ran it and as they meant it.")
        .cite("Sharkey, Braun, Millidge 2022 (toy data); Heap, Lawson, Farnik, Aitchison 2025; "
              "Cunningham et al. 2024; Marks, Paren, Krueger, Barez 2024"))
