#include "span.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.span", "0.1.0",
               saffron::component<saffron::plugins::Span>(
                   "span", "Span distance and exact worst-case regret, by planning")
                   .describe("The distance bounds worst-case regret from both sides with known "
                             "constants, w12 <= span <= 2 w12 where neither reward is trivial; "
                             "w12 is that regret.")
                   .cite("Skalse et al. 2024, STARC: A General Framework For Quantifying "
                         "Differences Between Reward Functions; Chi 2026, CP-IRL"))
