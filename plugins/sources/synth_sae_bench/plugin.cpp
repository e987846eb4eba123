#include "synth_sae_bench.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.synth_sae_bench", "0.1.0",
    saffron::component<saffron::plugins::SynthSaeBench>(
        "synth_sae_bench",
        "The generator of SynthSAEBench: features with a hierarchy and correlations")
        .describe(
            "Many features in superposition whose firing is Zipfian, hierarchical with exclusive "
            "siblings, and correlated. The defaults are SynthSAEBench-16k's; what changes with the "
            "run's seed is the rows, while the features stay those of model_seed.")
        .cite("Chanin et al. 2026, arXiv 2602.14687"))
