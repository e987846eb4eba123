#include "minimal_potential.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.minimal_potential", "0.1.0",
               saffron::component<saffron::plugins::MinimalPotential>(
                   "minimal_potential", "Distances between rewards in their smallest shaped form")
                   .describe("Ignores the dynamics, and so promises nothing about regret. The mean "
                             "square is over D_S x D_A x D_S; potentials of states where D_S is 0, "
                             "which it leaves open, follow from the same formula.")
                   .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying "
                         "Differences Between Reward Functions"))
