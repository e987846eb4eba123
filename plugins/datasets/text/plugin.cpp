#include "text.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.text", "0.1.0",
               saffron::component<saffron::plugins::Text>(
                   "text", "text files, tokenized and cut into contexts of one length"))
