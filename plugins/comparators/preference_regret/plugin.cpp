#include "preference_regret.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.preference_regret", "0.1.0",
    saffron::component<saffron::plugins::PreferenceRegret>(
        "preference_regret", "What going by one reward model's scores loses of another's")
        .describe(
            "Best-of-K: the response that the followed model scores highest, judged by the one "
            "that "
            "counts. Gibbs policies: what a KL penalty of beta leaves of optimisation, in the "
            "units of the scores.")
        .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying Differences Between "
              "Reward Functions"))
