#include "model.h"

#include "layer_map.h"

#include <saffron/error.h>

#include <ATen/ops/aminmax.h>

#include <tuple>
#include <utility>

namespace llama {

using saffron::cat;
using saffron::Error;

saffron::Schema<Llama::Options> Llama::schema() {
  return saffron::Schema<Options>{}
      .param("path", &Options::path,
             "a GGUF file, or a Hugging Face folder (config.json and safetensors)",
             saffron::required(), saffron::hashed_file())
      .param("dtype", &Options::dtype, "of weights and activations",
             saffron::one_of({"float32", "float64"}))
      .param("name", &Options::name, "shown instead of the name that follows from the path");
}

Llama::Llama(const Options& options, const saffron::Context& context)
    : context_(context),
      checkpoint_(Checkpoint::open(options.path.value)),
      table_(checkpoint_.config(), options.name.value_or(checkpoint_.config().name)),
      weights_(checkpoint_, options.dtype == "float64" ? at::kDouble : at::kFloat, context.device(),
               [this](std::int64_t done, std::int64_t total) {
                 if (context_.cancelled()) {
                   throw Error(saffron::ErrorKind::cancelled, "stopped while reading the model");
                 }
                 context_.progress(cat("reading ", info_.name), done, total);
               }) {
  const Config& config = checkpoint_.config();
  info_ = {.name = options.name.value_or(config.name),
           .architecture = config.architecture,
           .layers = config.layers,
           .width = config.width,
           .heads = config.heads,
           .vocabulary = config.vocabulary,
           .context = config.context,
           .parameters = checkpoint_.parameters(),
           .weights = config.provenance};
}

void Llama::check_tokens(const at::Tensor& tokens) const {
  if (!tokens.defined() || tokens.dim() != 2 || tokens.scalar_type() != at::kLong ||
      tokens.numel() == 0) {
    throw Error(tokens.defined()
                    ? cat("tokens are ", tokens.scalar_type(), " ", tokens.sizes(),
                          ", expected int64 [sequences, positions], at least one of each")
                    : std::string("tokens are undefined"));
  }
  if (tokens.size(1) > info_.context) {
    throw Error(
        cat(tokens.size(1), " positions exceed the context of ", info_.name, ", ", info_.context))
        .with_help("use shorter contexts");
  }
  const auto [low, high] = at::aminmax(tokens);
  const auto worst = low.item<std::int64_t>() < 0 ? low : high;
  if (worst.item<std::int64_t>() < 0 || worst.item<std::int64_t>() >= info_.vocabulary) {
    throw Error(cat("token ", worst.item<std::int64_t>(), " is outside the vocabulary of ",
                    info_.name, ", 0 to ", info_.vocabulary - 1))
        .with_help("was the text tokenized for another model?");
  }
}

saffron::RunResult Llama::run(const at::Tensor& tokens, std::span<const std::string> taps,
                              std::span<const saffron::Edit> edits, bool logits) {
  check_tokens(tokens);
  return forward(checkpoint_.config(), table_, weights_, tokens.to(context_.device()).contiguous(),
                 taps, edits, logits);
}

std::shared_ptr<saffron::Tokenizer> Llama::tokenizer() const {
  std::call_once(tokenizer_read_, [this] { tokenizer_ = checkpoint_.tokenizer(); });
  return tokenizer_;
}

std::unique_ptr<saffron::LayerMap> Llama::layer_map(std::string_view from,
                                                    std::string_view to) const {
  for (std::int64_t layer = 0; layer < info_.layers; ++layer) {
    if (from != cat("layers.", layer, ".mlp_in") || to != cat("layers.", layer, ".mlp_out")) {
      continue;
    }
    return std::make_unique<SwigluMap>(weights_.plain(layer));
  }
  throw Error(cat("the model ", info_.name, " has no map from '", from, "' to '", to, "'"))
      .with_help(
          cat("maps go from layers.L.mlp_in to layers.L.mlp_out, L = 0 to ", info_.layers - 1));
}

}  // namespace llama
