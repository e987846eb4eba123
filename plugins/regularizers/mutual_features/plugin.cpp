#include "mutual_features.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.mutual_features", "0.1.0",
    saffron::component<saffron::plugins::MutualFeatures>(
        "mutual_features", "Pulls the decoders of several SAEs towards the same features")
        .describe(
            "A strong coefficient makes the SAEs copies of each other, whether their features "
            "are right or wrong: report agreement with known features, or reconstruction, "
            "beside the agreement between the SAEs. The published coefficients, 3 on synthetic "
            "data and .005 on GPT-2 activations, stand beside an error averaged over dimensions "
            "(objective mse with reduction = \"mean\").")
        .cite("Marks, Paren, Krueger, Barez 2024, Enhancing neural network interpretability with "
              "feature-aligned sparse autoencoders, arXiv 2411.01220"))
