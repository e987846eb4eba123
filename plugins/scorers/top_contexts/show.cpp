#include "show.h"

#include <saffron/dataset.h>
#include <saffron/error.h>
#include <saffron/model.h>
#include <saffron/tokenizer.h>

#include <algorithm>
#include <iomanip>
#include <memory>
#include <utility>

namespace saffron::plugins {
namespace {

// The texts of token ids: by the model's tokenizer, else by the dataset's own, else the numbers.
class Texts {
 public:
  explicit Texts(ModelBacked& backed) : held_(backed.model().tokenizer()), tokenizer_(held_.get()) {
    const auto* has = dynamic_cast<const HasTokenizer*>(&backed.dataset());
    if (tokenizer_ == nullptr && has != nullptr) tokenizer_ = &has->tokenizer();
  }

  [[nodiscard]] std::vector<std::string> of(const std::vector<std::int32_t>& ids) const {
    if (tokenizer_ != nullptr) return display_tokens(*tokenizer_, ids);
    std::vector<std::string> numbers;
    for (const std::int32_t id : ids) numbers.push_back(cat('<', id, '>'));
    return numbers;
  }

 private:
  std::shared_ptr<Tokenizer> held_;
  const Tokenizer* tokenizer_;
};

// The token ids of a dataset row, without the padding at its end.
std::vector<std::int32_t> ids_of(const Dataset& dataset, std::int64_t row) {
  const std::int64_t rows[] = {row};
  const DataRows data = dataset.rows(rows);
  std::int64_t length = data.values.size(1);
  while (data.mask.defined() && length > 0 && !data.mask[0][length - 1].item<bool>()) --length;
  std::vector<std::int32_t> ids;
  const at::Tensor values = data.values[0].contiguous();
  const std::int64_t* id = values.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < length; ++i) ids.push_back(static_cast<std::int32_t>(id[i]));
  return ids;
}

ContextsBlock::Context show(const Peak& peak, const Dataset& dataset, const Texts& texts,
                            std::int64_t window) {
  // Texts of the whole row, so that a character whose bytes begin outside the window is whole.
  const std::vector<std::string> tokens = texts.of(ids_of(dataset, peak.row));
  const auto length = static_cast<std::int64_t>(tokens.size());
  const std::int64_t begin = std::max<std::int64_t>(0, peak.position - window);
  const std::int64_t end = std::min(length, peak.position + window + 1);
  ContextsBlock::Context context;
  for (std::int64_t i = begin; i < end; ++i) {
    context.tokens.push_back({.text = tokens[static_cast<std::size_t>(i)], .strength = 0});
  }
  for (const auto& [position, strength] : peak.around) {
    if (position >= begin && position < end) {
      context.tokens[static_cast<std::size_t>(position - begin)].strength = strength;
    }
  }
  context.where = cat(dataset.where(peak.row), ", token ", peak.position);
  context.peak = peak.strength;
  return context;
}

std::string note(const LatentTops& tops, std::int64_t latent) {
  const std::int64_t fired = tops.fired(latent);
  if (fired == 0) return cat("never fires on ", tops.rows(), " tokens");
  const double share = 100.0 * static_cast<double>(fired) / static_cast<double>(tops.rows());
  return cat(std::setprecision(2), "fires on ", share, " % of ", tops.rows(), " tokens, strongest ",
             std::setprecision(4), tops.peaks(latent).front().strength);
}

}  // namespace

Block show_latents(const std::string& sae, const LatentTops& tops,
                   const std::vector<std::int64_t>& latents, ModelBacked& backed,
                   std::int64_t window) {
  const Texts texts(backed);
  ContextsBlock body;
  for (const std::int64_t latent : latents) {
    ContextsBlock::Group group{
        .title = cat(sae, " latent ", latent), .note = note(tops, latent), .contexts = {}};
    for (const Peak& peak : tops.peaks(latent)) {
      group.contexts.push_back(show(peak, backed.dataset(), texts, window));
    }
    body.groups.push_back(std::move(group));
  }
  std::string caption =
      "Each latent's strongest contexts, one a row of the dataset, with its "
      "activation at every token.";
  if (const std::int64_t first = backed.first_position(); first > 0) {
    caption += cat(" Tokens before position ", first, " of a row are never scored.");
  }
  return {.title = "Strongest contexts of " + sae,
          .caption = std::move(caption),
          .body = std::move(body)};
}

}  // namespace saffron::plugins
