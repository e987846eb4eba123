#include "ls_minimal.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.ls_minimal", "0.1.0",
    saffron::component<saffron::plugins::LsMinimal>(
        "ls_minimal",
        "Distances between what least squares leave of rewards, from drawn transitions")
        .describe(
            "A potential is fitted to each reward, as a linear function of features of states, "
            "and what it does not explain is compared. Reads the data alone: no transition "
            "that was not drawn, no value function, no model of the world.")
        .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying Differences Between "
              "Reward Functions (the minimal canonicalisation)"))
