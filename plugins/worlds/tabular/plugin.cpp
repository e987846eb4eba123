#include "tabular.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.tabular", "0.1.0",
               saffron::component<saffron::plugins::Tabular>(
                   "tabular", "A finite MDP and its reward functions, from JSON or safetensors")
                   .describe("gamma, mu0[S], tau[S][A][S'], rewards {name: [S][A][S']}; optional "
                             "policy[S][A], D_S[S], D_A[A], terminal[S]."))
