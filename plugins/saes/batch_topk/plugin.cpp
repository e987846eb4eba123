#include "batch_topk.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.batch_topk", "0.1.0",
    saffron::component<saffron::plugins::BatchTopK>(
        "batch_topk", "Keeps the k B largest pre-activations of a batch of B rows")
        .describe("A running mean of the smallest kept value is the threshold outside of "
                  "training.")
        .cite("Bussmann, Leask, Nanda 2024, BatchTopK Sparse Autoencoders"))
