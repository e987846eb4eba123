#include "pca.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.pca", "0.1.0",
    saffron::component<saffron::plugins::Pca>(
        "pca", "Baseline: principal components, exact, from one pass over the rows")
        .describe("A component is two latents, one a sign, unless `signs` says otherwise.")
        .cite("Pearson 1901, On lines and planes of closest fit to systems of points"))
