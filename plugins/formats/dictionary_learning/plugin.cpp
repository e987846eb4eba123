#include "dictionary_learning.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.dictionary_learning", "0.1.0",
               saffron::component<saffron::plugins::DictionaryLearning>(
                   "dictionary_learning", "dictionary_learning's folders: ae.pt and config.json")
                   .describe("relu, topk, jumprelu and gated. Written weights read raw "
                             "activations. Reading a file runs no code of it."))
