#include "lp.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.lp", "0.1.0",
    saffron::component<saffron::plugins::Lp>("lp", "Lp norm of the codes, whose p may be annealed")
        .describe(
            "A p below 1 counts active latents more and shrinks large codes less. Such a penalty "
            "traps codes at 0 when it is there from the start: p_end anneals p from p_start, "
            "and the coefficient follows so that the penalty does not jump.")
        .cite("Karvonen et al. 2024, Measuring Progress in Dictionary Learning for Language Model "
              "Interpretability with Board Game Models, arXiv 2408.00113; dictionary_learning"))
