#include "preference_distance.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.preference_distance", "0.1.0",
    saffron::component<saffron::plugins::PreferenceDistance>(
        "preference_distance", "Distances between reward models by their scores of responses")
        .describe(
            "STARC and span distances and exact worst-case regret on the observed responses, with "
            "intervals by resampling prompts. Blind to what a model adds to all responses of a "
            "prompt, and to its scale.")
        .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying Differences Between "
              "Reward Functions; Chi 2026, CP-IRL"))
