#include "top_contexts.h"

#include "latent_tops.h"
#include "show.h"

#include <saffron/error.h>

#include <algorithm>
#include <string>

namespace saffron::plugins {
namespace {

ModelBacked* backed_by_model(const TrainedSae& sae) {
  return dynamic_cast<ModelBacked*>(sae.source.get());
}

std::string twice(std::vector<std::int64_t> ids) {
  std::sort(ids.begin(), ids.end());
  const auto found = std::adjacent_find(ids.begin(), ids.end());
  return found == ids.end() ? "" : cat("`ids` names latent ", *found, " twice");
}

class Accumulated final : public Accumulator {
 public:
  Accumulated(const TopContexts::Options& options, Random random)
      : options_(options), random_(random) {
    for (const Ref<Sae>& sae : options_.sae) {
      tops_.emplace_back(sae->spec.latents, options_.contexts, options_.window);
    }
  }

  void add(const ScoreBatch& batch) override {
    const at::Tensor& origin = batch.rows().origin;
    if (!origin.defined()) {
      throw Error(cat("top_contexts: the rows of '", options_.sae.front()->source_name,
                      "' do not say which context they are from"));
    }
    for (std::size_t i = 0; i < tops_.size(); ++i) {
      tops_[i].add(batch.codes(static_cast<std::int64_t>(i)), origin);
    }
  }

  void merge(const Accumulator& other) override {
    const auto& theirs = dynamic_cast<const Accumulated&>(other);
    for (std::size_t i = 0; i < tops_.size(); ++i) tops_[i].merge(theirs.tops_.at(i));
  }

  [[nodiscard]] State save() const override {
    State state;
    for (std::size_t i = 0; i < tops_.size(); ++i) tops_[i].save(state.tensors, cat(i, "."));
    return state;
  }

  void load(const State& state) override {
    for (std::size_t i = 0; i < tops_.size(); ++i) tops_[i].load(state.tensors, cat(i, "."));
  }

  [[nodiscard]] Report finish() override {
    Report report;
    for (std::size_t i = 0; i < tops_.size(); ++i) {
      const TrainedSae& sae = *options_.sae[i];
      const std::vector<std::int64_t> latents =
          choose_latents(tops_[i], options_.choose, options_.ids, options_.latents, random_);
      report.blocks.push_back(
          show_latents(sae.name, tops_[i], latents, *backed_by_model(sae), options_.window));
    }
    return report;
  }

 private:
  TopContexts::Options options_;
  Random random_;
  std::vector<LatentTops> tops_;
};

}  // namespace

Schema<TopContexts::Options> TopContexts::schema() {
  return Schema<Options>{}
      .param("sae", &Options::sae, "the SAEs to show; all on one source of a model's activations",
             required(), not_empty())
      .param("latents", &Options::latents, "latents shown of each SAE", at_least(1))
      .choice("choose", &Options::choose, "which latents: a random choice is among those that fire",
              {{"strongest", Choice::strongest},
               {"frequent", Choice::frequent},
               {"random", Choice::random},
               {"ids", Choice::ids}})
      .param("ids", &Options::ids, "the latents to show with choose = \"ids\"", at_least(0))
      .param("contexts", &Options::contexts, "contexts shown of each latent", at_least(1))
      .param("window", &Options::window, "tokens shown on each side of the strongest one",
             at_least(0), unit("tokens"))
      .check([](const Options& o) {
        if (o.choose == Choice::ids && o.ids.empty()) {
          return std::string("choose = \"ids\" needs `ids`, the latents to show");
        }
        if (o.choose != Choice::ids && !o.ids.empty()) {
          return std::string("`ids` is for choose = \"ids\" only");
        }
        return twice(o.ids);
      });
}

TopContexts::TopContexts(const Options& options, const Context& context)
    : options_(options), context_(context) {
  for (const Ref<Sae>& sae : options_.sae) {
    if (backed_by_model(*sae) == nullptr) {
      throw Error(
          cat("top_contexts needs SAEs on a model's activations over text, and the rows of '",
              sae->source_name, "', which '", sae->name, "' reads, come from no model"))
          .with_help("train the SAE on a source such as model_activations");
    }
    for (const std::int64_t id : options_.ids) {
      if (id < sae->spec.latents) continue;
      throw Error(cat("top_contexts: '", sae->name, "' has no latent ", id,
                      ", its latents are 0 to ", sae->spec.latents - 1));
    }
  }
}

ScorerNeeds TopContexts::needs() const {
  ScorerNeeds needs;
  needs.order = RowOrder::contexts;
  for (const Ref<Sae>& sae : options_.sae) needs.saes.push_back(sae.get());
  return needs;
}

std::unique_ptr<Accumulator> TopContexts::begin() const {
  return std::make_unique<Accumulated>(options_, context_.random("latents"));
}

}  // namespace saffron::plugins
