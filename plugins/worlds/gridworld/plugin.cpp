#include "gridworld.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.gridworld", "0.1.0",
    saffron::component<saffron::plugins::Gridworld>(
        "gridworld", "A map in characters, and rewards by what its cells are")
        .describe("Walls, starts, goals, traps, marked cells; moves may slip. Rewards are "
                  "paid per step, per cell entered, and for coming nearer to a goal, as "
                  "potential shaping or without its discount."))
