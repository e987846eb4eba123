#include "splice.h"

#include <utility>

namespace saffron::plugins {

Edit replace(std::string site, at::Tensor value, std::int64_t first) {
  return {std::move(site), [value = std::move(value), first](const at::Tensor& activation) {
            at::Tensor edited = activation.clone();
            edited.slice(1, first).copy_(value.expand_as(edited.slice(1, first)));
            return edited;
          }};
}

Splice splice_sae(const TrainedSae& sae, const ModelBacked& backed, const CleanActivations& clean,
                  std::int64_t first) {
  std::vector<at::Tensor> inputs;
  std::int64_t contexts = 0, positions = 0;
  for (const std::int64_t stream : sae.reads) {
    const at::Tensor raw = clean.at(stream).slice(1, first);
    contexts = raw.size(0);
    positions = raw.size(1);
    inputs.push_back(
        backed.normalise(stream, raw).reshape({contexts * positions, raw.size(2)}).contiguous());
  }
  Splice out;
  out.rows = contexts * positions;
  if (out.rows == 0) return out;
  const std::vector<Codes> codes = sae.sae->encode(inputs);
  const std::vector<at::Tensor> xhat = sae.sae->decode(codes);
  for (const Codes& space : codes) out.l0 += space.l0().sum().item<double>();
  for (std::size_t t = 0; t < sae.predicts.size(); ++t) {
    const std::int64_t stream = sae.predicts[t];
    const at::Tensor raw = backed.denormalise(stream, xhat[t]);
    out.edits.push_back(
        replace(backed.site(stream), raw.reshape({contexts, positions, raw.size(-1)}), first));
  }
  return out;
}

}  // namespace saffron::plugins
