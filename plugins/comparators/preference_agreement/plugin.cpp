#include "preference_agreement.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.preference_agreement", "0.1.0",
    saffron::component<saffron::plugins::PreferenceAgreement>(
        "preference_agreement", "How far reward models agree on the order of a prompt's responses")
        .describe(
            "Rank and other correlations within prompts, agreement on pairs of responses, and the "
            "divergence of the preferences that scores stand for."))
