#include "matching_pursuit.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.matching_pursuit", "0.1.0",
    saffron::component<saffron::plugins::MatchingPursuit>(
        "matching_pursuit", "Chooses latents one after another, each for what is left of the row")
        .describe("Matching pursuit or orthogonal matching pursuit over a tied dictionary.")
        .cite("Costa et al. 2025, From Flat to Hierarchical: Extracting Sparse "
              "Representations with Matching Pursuit"))
