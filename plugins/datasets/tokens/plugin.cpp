#include "tokens.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.tokens", "0.1.0",
               saffron::component<saffron::plugins::Tokens>(
                   "tokens", "token ids from .npy or safetensors files"))
