#include "ica.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.ica", "0.1.0",
               saffron::component<saffron::plugins::Ica>(
                   "ica", "Baseline: independent components (FastICA), an iteration a pass")
                   .describe("Its train node needs `rows` for several passes over `pass_rows`. A "
                             "component is two latents, one a sign, unless `signs` says otherwise.")
                   .cite("Hyvarinen 1999, Fast and robust fixed-point algorithms for independent "
                         "component analysis"))
