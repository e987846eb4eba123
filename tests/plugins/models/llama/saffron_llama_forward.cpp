// saffron_llama_forward MODEL IN.safetensors OUT.safetensors [SITE...]
//
// IN holds `tokens` int64 [B, T] and `positions` int64 [P], into the B T rows. OUT gets `top1`
// int64 [B T], `logits` [P, vocabulary] and a tap a site.

#include "open_model.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <ATen/ops/argmax.h>

#include <cstdio>

int main(int count, char** arguments) {
  if (count < 4) {
    std::fputs("usage: saffron_llama_forward MODEL IN.safetensors OUT.safetensors [SITE...]\n",
               stderr);
    return 2;
  }
  try {
    const auto model = llama_test::open(arguments[1]);
    const auto input = saffron::SafetensorsFile::open(arguments[2]);
    const std::vector<std::string> sites(arguments + 4, arguments + count);
    const saffron::RunResult result = model->run(input.tensor("tokens"), sites, {}, true);
    const at::Tensor logits = result.logits.view({-1, result.logits.size(2)});
    saffron::NamedTensors out = {{"top1", logits.argmax(-1)},
                                 {"logits", logits.index_select(0, input.tensor("positions"))}};
    for (std::size_t i = 0; i < sites.size(); ++i) out.emplace_back(sites[i], result.taps[i]);
    saffron::write_safetensors(arguments[3], out);
  } catch (const saffron::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
