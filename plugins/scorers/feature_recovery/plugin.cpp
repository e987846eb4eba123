#include "feature_recovery.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.feature_recovery", "0.1.0",
    saffron::component<saffron::plugins::FeatureRecovery>(
        "feature_recovery", "How well SAEs find the features that a source planted")
        .describe(
            "Cosine similarities of decoders and planted features, and how well each latent's "
            "firing detects its feature. Read MMCS, F1 and L0 together: MMCS alone flatters "
            "dense codes.")
        .cite("Sharkey, Braun, Millidge 2022 (MMCS); O'Neill et al. 2024, arXiv 2411.13117 (MCC); "
              "Chanin et al. 2026, arXiv 2602.14687 (F1, uniqueness)"))
