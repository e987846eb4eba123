#include "model.h"

#include <saffron/plugin.h>

using llama::Llama;

SAFFRON_PLUGIN("org.saffron.llama", "0.1.0",
               saffron::component<Llama>("llama",
                                         "Llama decoder from GGUF or a Hugging Face folder")
                   .describe("Runs Llama, Mistral and Qwen2 checkpoints in float32 or float64. "
                             "Quantised GGUF weights are dequantised when they are read.")
                   .cite("Touvron et al. 2023, arXiv:2302.13971"))
