#include "tabular.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.tabular", "0.2.0",
               saffron::component<saffron::plugins::Tabular>(
                   "tabular",
                   "A finite MDP and its reward functions, from JSON, safetensors or npz")
                   .describe("Transitions dense, or sparse for worlds of many states. "
                             "docs/examples/export_gymnasium.py makes such files of the tabular "
                             "environments of Gymnasium."))
