#include "jumprelu.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.jumprelu", "0.1.0",
    saffron::component<saffron::plugins::JumpRelu>(
        "jumprelu", "Passes pre-activations above a trained threshold")
        .describe("The threshold learns by pseudo-gradients from the error and from a sparsity "
                  "term of the SAE's own.")
        .cite("Rajamanoharan et al. 2024, Jumping Ahead: Improving Reconstruction Fidelity "
              "with JumpReLU Sparse Autoencoders"))
