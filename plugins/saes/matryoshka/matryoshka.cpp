#include "matryoshka.h"

#include "level_sums.h"

#include <saffron/ops.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

namespace saffron::plugins {
namespace {

// The codes with each row cut into m rows at latents widths[0], widths[1], ...: the same entries.
Codes cut_rows(const Codes& codes, const std::vector<std::int64_t>& widths) {
  const auto m = static_cast<std::int64_t>(widths.size());
  const at::Tensor offsets = at::empty({codes.rows() * m + 1}, codes.offsets().options());
  const std::int32_t* from = codes.offsets().const_data_ptr<std::int32_t>();
  const std::int32_t* latent = codes.indices().const_data_ptr<std::int32_t>();
  std::int32_t* to = offsets.mutable_data_ptr<std::int32_t>();
  to[0] = 0;
  for (std::int64_t b = 0; b < codes.rows(); ++b) {
    const std::int32_t* at = latent + from[b];
    for (std::int64_t j = 0; j < m; ++j) {
      at = std::lower_bound(at, latent + from[b + 1],
                            static_cast<std::int32_t>(widths[static_cast<std::size_t>(j)]));
      to[b * m + j + 1] = static_cast<std::int32_t>(at - latent);
    }
  }
  return Codes::csr(codes.values(), codes.indices(), offsets, codes.overflow(), codes.latents());
}

// F/16, F/8, .., F, as far as they differ.
std::vector<std::int64_t> default_groups(std::int64_t width) {
  std::vector<std::int64_t> out;
  for (std::int64_t parts = 16; parts >= 1; parts /= 2) {
    const std::int64_t group = width / parts;
    if (group >= 1 && (out.empty() || group > out.back())) out.push_back(group);
  }
  return out;
}

}  // namespace

Schema<Matryoshka::Options> Matryoshka::schema() {
  return Schema<Options>{}
      .include(&Options::dictionary, DictionaryOptions::schema())
      .choice("activation", &Options::activation,
              "how codes are chosen: the k B largest of a batch, or all that are above 0, for a "
              "sparsity penalty beside the SAE",
              {{"batch_topk", Activation::batch_topk}, {"relu", Activation::relu}})
      .include(&Options::selection, BatchTopKOptions::schema())
      .param("by_contribution", &Options::by_contribution,
             "compare a ||W_dec|| of latents, what they contribute, instead of a, for AuxK too "
             "(SAELens: "
             "rescale_acts_by_decoder_norm); the same where decoder rows have norm 1")
      .param("groups", &Options::groups,
             "widths of the nested dictionaries, ascending, the last is `width`; empty: F/16, F/8, "
             "F/4, "
             "F/2, F")
      .choice("prefix", &Options::prefix, "widths below F: `groups`, or drawn anew each step",
              {{"fixed", Prefix::fixed}, {"random", Prefix::random}})
      .param("levels", &Options::levels, "random: how many widths, the last is F", at_least(2))
      .param("pareto", &Options::pareto, "random: exponent of the law that widths are drawn from",
             positive())
      .param("zero_level", &Options::zero_level, "b_dec alone is a level too")
      .param("level_weight", &Options::level_weight,
             "weight of each inner level's squared error beside the whole's", non_negative())
      .param(
          "level_weights", &Options::level_weights,
          "fixed: weights of the levels below F, in their order, instead of level_weight; empty: "
          "level_weight for all",
          non_negative())
      .include(&Options::dead, DeadLatentOptions::schema())
      .param("aux_by_level", &Options::aux_by_level,
             "auxk: dead latents of each level explain the error of its own reconstruction; else "
             "all explain the whole's")
      .check([](const Options& o) -> std::string {
        if (o.activation == Activation::relu) return {};  // which has no k
        return k_problem(o.selection.k, o.dictionary.width);
      })
      .check([](const Options& o) -> std::string {
        if (o.groups.empty()) return {};
        if (o.groups.back() != o.dictionary.width) {
          return cat("groups end with ", o.groups.back(), ", width is ", o.dictionary.width);
        }
        for (std::size_t i = 0; i < o.groups.size(); ++i) {
          if (o.groups[i] < 1 || (i > 0 && o.groups[i] <= o.groups[i - 1])) {
            return "groups are positive and ascending";
          }
        }
        return {};
      })
      .check([](const Options& o) -> std::string {
        if (o.level_weights.empty()) return {};
        if (o.prefix == Prefix::random)
          return "level_weights are of fixed levels: prefix is random";
        const std::size_t groups =
            o.groups.empty() ? default_groups(o.dictionary.width).size() : o.groups.size();
        const std::size_t below = groups - 1 + (o.zero_level ? 1 : 0);
        if (o.level_weights.size() == below) return {};
        return cat("level_weights has ", o.level_weights.size(), " numbers for ", below,
                   " levels below the whole");
      });
}

Matryoshka::Matryoshka(const Options& options)
    : DictionarySae(options.dictionary, options.dead),
      options_(options),
      selection_(options.selection) {
  if (options_.groups.empty()) options_.groups = default_groups(latents());
}

void Matryoshka::declare_own(SaeSpec& spec) const {
  if (selects()) {
    selection_.declare(spec);
  } else {
    spec.layout = Codes::Layout::csr;
  }
}

void Matryoshka::bind_own(const Tensors&, const Tensors& buffers) {
  if (selects()) selection_.bind(buffers);
}

Codes Matryoshka::codes_of(const at::Tensor& rows) const {
  return selects() ? selection_.codes_of(rows, W_enc(), b_enc(), scale())
                   : ops::encode_above(rows, W_enc(), b_enc(), {});
}

void Matryoshka::own_after_step(const SaeInput&, const Codes&) {
  if (selects()) selection_.after_step();
}

std::vector<std::int64_t> Matryoshka::widths(const SaeInput& input) const {
  std::vector<std::int64_t> out;
  if (options_.prefix == Prefix::fixed) {
    out = options_.groups;
  } else {
    const auto F = static_cast<double>(latents());
    const Random random = input.random.fork("prefixes");
    for (std::int64_t j = 0; j + 1 < options_.levels; ++j) {
      // Inverse of the distribution of a Pareto law on [1, F]:  1 - w^-alpha  over  1 - F^-alpha.
      const double u = random.uniform(0, static_cast<std::uint64_t>(j));
      const double tail = 1 - u * (1 - std::pow(F, -options_.pareto));
      const double w = std::pow(tail, -1 / options_.pareto);
      out.push_back(std::clamp<std::int64_t>(static_cast<std::int64_t>(w), 1, latents()));
    }
    out.push_back(latents());
    std::sort(out.begin(), out.end());
  }
  if (options_.zero_level) out.insert(out.begin(), 0);
  return out;
}

std::vector<double> Matryoshka::weights() const {
  if (!options_.level_weights.empty()) return options_.level_weights;
  return std::vector<double>(widths_.size() - 1, options_.level_weight);
}

Codes Matryoshka::step_codes(const at::Tensor& rows, const SaeInput& input) {
  const Codes codes =
      selects() ? selection_.step_codes(rows, W_enc(), b_enc(), input, scale()) : codes_of(rows);
  widths_ = widths(input);
  by_level_ = cut_rows(codes, widths_);
  return codes;
}

at::Tensor Matryoshka::step_decode(const Codes& codes) {
  const auto m = static_cast<std::int64_t>(widths_.size());
  levels_ = ops::decode(by_level_, W_dec(), {}).view({codes.rows(), m, -1});
  return sum_of_levels(levels_, b_dec());
}

void Matryoshka::own_terms(const SaeInput& input, Forward& forward) {
  const at::Tensor inner =
      become_errors(levels_, b_dec(), step_target(), step_row_scale(), weights());
  // Squared errors: of the size that they have beside the objective.
  if (widths_.size() > 1)
    forward.terms.push_back({"inner_levels", inner, 1 / input.objective_scale});
}

std::vector<DeadLatents::Level> Matryoshka::dead_levels() const {
  std::vector<DeadLatents::Level> out;
  if (!options_.aux_by_level) return out;
  for (std::size_t j = 0; j < widths_.size(); ++j) {
    out.push_back({widths_[j], -levels_.select(1, static_cast<std::int64_t>(j))});
  }
  return out;
}

at::Tensor Matryoshka::decoder_backward(const SaeInput& input, const Codes& codes,
                                        const at::Tensor& g, Gradients& gradients) {
  std::vector<double> scales = weights();
  for (double& scale : scales) {
    scale *= 2 / (input.objective_scale * static_cast<double>(codes.rows()));
  }
  become_gradients(levels_, scales, step_row_scale(), g);
  const at::Tensor rows = levels_.view({by_level_.rows(), -1});
  gradients["W_dec"].factored.push_back({by_level_, rows});
  if (dictionary().decoder_bias) {  // in every level from the first on
    gradients["b_dec"].add_dense(levels_.select(1, 0).sum(0));
  }
  return ops::code_gradient(by_level_, W_dec(), rows);
}

void Matryoshka::canonical_own(CanonicalSae& out) const {
  if (selects()) {
    selection_.canonical(out, scale());
  } else {
    out.activation = "relu";
  }
  if (options_.prefix == Prefix::fixed) {
    Value::List widths;
    for (std::int64_t width : options_.groups) widths.push_back(Value(width));
    out.extra.set("matryoshka_widths", Value(std::move(widths)));
  }
}

}  // namespace saffron::plugins
