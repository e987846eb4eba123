#include "preferences.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.preferences", "0.1.0",
               saffron::component<saffron::plugins::Preferences>(
                   "preferences", "Scores that reward models give to responses, from a table")
                   .describe("A line a response: prompt_id, response_id, a column for each reward "
                             "model, and, optionally, label and log_reference. What reward models "
                             "add to all responses of a prompt says nothing, so that every prompt "
                             "has two responses at least."))
