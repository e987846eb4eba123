#include "epic.h"
#include "epic_sample.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.epic", "0.1.0",
    saffron::component<saffron::plugins::Epic>(
        "epic", "EPIC distances between rewards: correlation after removing shaping")
        .describe("Ignores the dynamics, and so promises nothing about regret: read it "
                  "beside val.")
        .cite("Gleave et al. 2021, Quantifying Differences in Reward Functions"),
    saffron::component<saffron::plugins::EpicSample>(
        "epic_sample", "EPIC distances between rewards, estimated from drawn transitions")
        .describe(
            "Removes shaping exactly, whatever the potential, since all expectations are over "
            "one sample. Asks for the rewards of transitions that were not drawn, and promises "
            "nothing about regret.")
        .cite("Gleave et al. 2021, Quantifying Differences in Reward Functions"))
