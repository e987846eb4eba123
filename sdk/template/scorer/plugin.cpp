// @NAME@: a scorer, a report on trained SAEs.
//
// Change first: the formulas below with add() and finish(); then what is kept between them
// (Counts), with merge(), save() and load(); then Options and schema().
//
// What holds for every scorer (saffron/scorer.h):
// - needs() names the SAEs, all on one source, and the order of the rows; the host reads the
//   rows, held-out ones unless the recipe says otherwise, and calls add() batch by batch,
//   without gradients.
// - Neither the split into batches nor merge() changes a result beyond rounding: keep sums and
//   counts, in float64 or int64, never a mean of means.
// - batch.codes(i) and batch.reconstructions(i) are made when asked for and shared: change
//   nothing.
// - A number without a value (no row, a denominator of 0) says why in Metric::undefined; it is
//   not 0.
// - Every metric has its formula in `definition`, its unit and its range; keys are unique in a
//   report.

#include <saffron/error.h>
#include <saffron/plugin.h>
#include <saffron/scorer.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

namespace {

using saffron::TrainedSae;

// How many latents an SAE uses, over the rows b = 1..n and its latents i = 1..F:
//
//   l0           1/n sum_b #{i : f_bi != 0}                 active latents of a row
//   dead_share   1/F #{i : f_bi = 0 for every b}            latents that never fire
//
// (Bricken et al. 2023, "Towards monosemanticity"; Gao et al. 2024, "Scaling and evaluating sparse
// autoencoders")
struct Counts {
  std::int64_t rows = 0;
  std::int64_t active = 0;  // entries that are not 0
  at::Tensor fired;         // int64 [F]: rows in which each latent is not 0
};

class @CLASS@Accumulator final : public saffron::Accumulator {
 public:
  explicit @CLASS@Accumulator(std::vector<const TrainedSae*> saes) : saes_(std::move(saes)) {
    for (const TrainedSae* sae : saes_) {
      counts_.push_back({.fired = at::zeros({sae->spec.latents}, at::kLong)});
    }
  }

  void add(const saffron::ScoreBatch& batch) override {
    for (std::size_t i = 0; i < saes_.size(); ++i) {
      Counts& c = counts_[i];
      std::vector<at::Tensor> fired;  // one a code space, side by side
      for (const saffron::Codes& codes : batch.codes(static_cast<std::int64_t>(i))) {
        c.active += codes.l0().sum().item<std::int64_t>();
        fired.push_back(codes.firing_counts());
      }
      c.fired += at::cat(fired);
      c.rows += batch.rows().streams.at(0).size(0);
    }
  }

  void merge(const saffron::Accumulator& other) override {
    const auto& theirs = dynamic_cast<const @CLASS@Accumulator&>(other);
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      counts_[i].rows += theirs.counts_.at(i).rows;
      counts_[i].active += theirs.counts_.at(i).active;
      counts_[i].fired += theirs.counts_.at(i).fired;
    }
  }

  saffron::State save() const override {
    saffron::State state;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      state.tensors.set(saffron::cat("fired.", i), counts_[i].fired.clone());
      state.values.set(saffron::cat("rows.", i), counts_[i].rows);
      state.values.set(saffron::cat("active.", i), counts_[i].active);
    }
    return state;
  }

  void load(const saffron::State& state) override {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      const at::Tensor& fired = state.tensors[saffron::cat("fired.", i)];
      if (fired.sizes() != counts_[i].fired.sizes()) {
        throw saffron::Error(saffron::ErrorKind::data,
                             saffron::cat("the saved counts of '", saes_[i]->name, "' are ",
                                          fired.sizes(), ", expected ", counts_[i].fired.sizes()));
      }
      counts_[i] = {.rows = state.values.at(saffron::cat("rows.", i)).as_int(),
                    .active = state.values.at(saffron::cat("active.", i)).as_int(),
                    .fired = fired.clone()};
    }
  }

  saffron::Report finish() override {
    saffron::Report report;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      const Counts& c = counts_[i];
      const std::string undefined = c.rows == 0 ? "no row was scored" : "";
      const auto rows = static_cast<double>(c.rows);
      report.metrics.push_back({.key = "l0",
                                .value = static_cast<double>(c.active) / rows,
                                .undefined = undefined,
                                .definition = "mean over rows of the number of active latents",
                                .unit = "latents",
                                .range = "[0, F]",
                                .better = saffron::Better::lower,
                                .subject = saes_[i]->name});
      report.metrics.push_back({.key = "dead_share",
                                .value = (c.fired == 0).to(at::kDouble).mean().item<double>(),
                                .undefined = undefined,
                                .definition = "share of the latents that fire in no row",
                                .unit = "",
                                .range = "[0, 1]",
                                .better = saffron::Better::lower,
                                .subject = saes_[i]->name});
    }
    return report;
  }

 private:
  std::vector<const TrainedSae*> saes_;
  std::vector<Counts> counts_;  // one an SAE
};

class @CLASS@ final : public saffron::Scorer {
 public:
  struct Options {
    saffron::RefList<saffron::Sae> sae;
  };
  static auto schema() {
    return saffron::Schema<Options>{}.param("sae", &Options::sae,
                                            "the SAEs to score, all on one source",
                                            saffron::required(), saffron::not_empty());
  }
  explicit @CLASS@(const Options& options) : options_(options) {}

  saffron::ScorerNeeds needs() const override {
    saffron::ScorerNeeds needs;
    for (const saffron::Ref<saffron::Sae>& sae : options_.sae) needs.saes.push_back(sae.get());
    return needs;
  }
  std::unique_ptr<saffron::Accumulator> begin() const override {
    return std::make_unique<@CLASS@Accumulator>(needs().saes);
  }

 private:
  Options options_;
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "Active latents of a row, and dead latents")
                   .cite("Bricken et al. 2023; Gao et al. 2024"))
