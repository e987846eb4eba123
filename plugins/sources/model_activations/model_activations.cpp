#include "model_activations.h"

#include "content_key.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <numeric>
#include <set>
#include <sstream>

namespace saffron::plugins {
namespace {

std::vector<StreamInfo> streams_at(const Model& model, const std::vector<std::string>& sites) {
  std::vector<std::string> known;
  for (const SiteInfo& site : model.sites()) known.push_back(site.name);
  std::vector<StreamInfo> streams;
  std::set<std::string> seen;
  for (const std::string& name : sites) {
    if (!seen.insert(name).second) throw Error(cat("site '", name, "' is named twice"));
    const auto found = std::find(known.begin(), known.end(), name);
    if (found != known.end()) {
      const SiteInfo& site = model.sites()[static_cast<std::size_t>(found - known.begin())];
      streams.push_back({name, site.width});
      continue;
    }
    const std::string near = nearest(name, known.data(), known.size());
    const std::string range = known.empty() ? "it has none"
                                            : cat("its ", known.size(), " sites go from '",
                                                  known.front(), "' to '", known.back(), "'");
    throw Error(cat("the model ", model.info().name, " has no site '", name, "'"))
        .with_help(near.empty() ? range : cat("did you mean '", near, "'?"));
  }
  return streams;
}

std::string block_file(std::int64_t index) {
  std::ostringstream out;
  out << "block-" << std::setw(8) << std::setfill('0') << index << ".safetensors";
  return out.str();
}

}  // namespace

Schema<ModelActivations::Options> ModelActivations::schema() {
  return Schema<Options>{}
      .param("model", &Options::model, "the model that is run", required())
      .param("dataset", &Options::dataset, "the tokens that it runs over", required())
      .param("sites", &Options::sites, "where activations are taken, e.g. layers.10.resid_post",
             required(), not_empty())
      .param("block_contexts", &Options::block_contexts,
             "contexts a block: the unit of shuffling, of the held-out split and of caching",
             at_least(1))
      .param("batch_contexts", &Options::batch_contexts, "contexts a forward pass", at_least(1))
      .param("skip_first", &Options::skip_first,
             "positions dropped at the start of every context, whose activations are unlike others",
             non_negative())
      .choice("centre", &Options::centre, kCentringDoc, centring_words())
      .choice("scale", &Options::scale, kScalingDoc, scaling_words())
      .param("normalise_contexts", &Options::normalise_contexts,
             "contexts drawn from the dataset to estimate centre and scale", at_least(1))
      .choice(
          "dtype", &Options::dtype,
          "precision of the activations: full (the recipe's dtype), or rounded, with or without "
          "a cache, whose files are then half as large",
          {{"full", Precision::full},
           {"float16", Precision::float16},
           {"bfloat16", Precision::bfloat16}})
      .param("cache", &Options::cache,
             "folder in which activations are kept as files for other runs; none by default",
             not_in_hash());
}

ModelActivations::ModelActivations(const Options& options, const Context& context)
    : options_(options),
      context_(context),
      streams_(streams_at(*options.model, options.sites)),
      normaliser_(options.centre, options.scale, streams_) {}

void ModelActivations::check_dataset() const {
  const DatasetInfo& data = dataset().info();
  const std::string name = cat("dataset '", options_.dataset.name(), "'");
  if (data.type != DataType::tokens) throw Error(cat(name, " does not hold tokens"));
  if (data.rows == 0) throw Error(ErrorKind::data, cat(name, " has no rows"));
  const ModelInfo& model = options_.model->info();
  if (model.context > 0 && data.length > model.context) {
    throw Error(cat("the contexts of ", name, " have ", data.length, " tokens, more than the ",
                    model.context, " of ", model.name))
        .with_help("cut the dataset into shorter contexts");
  }
  if (options_.skip_first >= data.length) {
    throw Error(cat("skip_first = ", options_.skip_first, " leaves nothing of the ", data.length,
                    " tokens of each context of ", name));
  }
}

const SourceInfo& ModelActivations::info() {
  if (info_) return *info_;
  check_dataset();
  const DatasetInfo& data = dataset().info();
  SourceInfo info;
  info.blocks = (data.rows + options_.block_contexts - 1) / options_.block_contexts;
  info.block_rows =
      std::min(options_.block_contexts, data.rows) * (data.length - options_.skip_first);
  info.ordered = true;
  info.description = cat(options_.model->info().name, " over ", data.rows, " contexts of ",
                         data.length, " tokens (", data.description, ")");
  block_rows_.assign(static_cast<std::size_t>(info.blocks), -1);
  return info_.emplace(std::move(info));
}

Contexts ModelActivations::contexts_of(std::int64_t block) const {
  if (block < 0 || block >= info_->blocks) {
    throw Error(cat("there is no block ", block, ": the source has ", info_->blocks));
  }
  const std::int64_t begin = block * options_.block_contexts;
  const std::int64_t end = std::min(begin + options_.block_contexts, dataset().info().rows);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(end - begin));
  std::iota(rows.begin(), rows.end(), begin);
  return {dataset(), std::move(rows), options_.skip_first};
}

std::int64_t ModelActivations::rows_of(std::int64_t index) {
  static_cast<void>(info());
  if (index < 0 || index >= info_->blocks) return contexts_of(index).kept();
  std::int64_t& rows = block_rows_[static_cast<std::size_t>(index)];
  if (rows < 0) rows = contexts_of(index).kept();
  return rows;
}

ActivationRows ModelActivations::block(std::int64_t index) {
  static_cast<void>(info());
  const Contexts contexts = contexts_of(index);
  estimate();
  ActivationRows out;
  out.streams = raw(block_file(index), contexts);
  const c10::NoGradGuard no_grad;
  for (std::size_t i = 0; i < out.streams.size(); ++i) {
    out.streams[i] = normaliser_.of(static_cast<std::int64_t>(i)).apply(out.streams[i]);
  }
  out.origin = contexts.origin();
  return out;
}

void ModelActivations::estimate() const {
  if (!normaliser_.wants_sample()) return;
  check_dataset();
  const std::int64_t all = dataset().info().rows;
  const Permutation order(context_.random("normalisation"), static_cast<std::uint64_t>(all));
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < std::min(options_.normalise_contexts, all); ++i) {
    rows.push_back(static_cast<std::int64_t>(order(static_cast<std::uint64_t>(i))));
  }
  std::sort(rows.begin(), rows.end());
  const std::string digest = sha256(std::as_bytes(std::span(rows))).substr(0, 16);
  const Contexts contexts(dataset(), std::move(rows), options_.skip_first);
  normaliser_.fit(raw(cat("sample/", digest, ".safetensors"), contexts));
}

std::vector<at::Tensor> ModelActivations::raw(const std::string& name,
                                              const Contexts& contexts) const {
  const bool keeps = !options_.cache.value.empty();
  std::optional<std::vector<at::Tensor>> held;
  if (keeps) held = store().read(name, contexts);
  if (!held) {
    held = run(contexts);
    check_finite(contexts, *held);
    if (keeps) store().write(name, contexts, *held);
  }
  for (at::Tensor& stream : *held) stream = stream.to(context_.dtype());
  return std::move(*held);
}

std::vector<at::Tensor> ModelActivations::run(const Contexts& contexts) const {
  const c10::NoGradGuard no_grad;
  std::vector<at::Tensor> streams;
  for (const StreamInfo& stream : streams_) {
    streams.push_back(at::empty({contexts.kept(), stream.width}, kept_dtype()));
  }
  const std::string what = cat("activations of ", options_.model->info().name);
  std::int64_t done = 0;
  for (const Contexts::Batch& batch : contexts.batches(options_.batch_contexts)) {
    if (context_.cancelled()) throw Error(ErrorKind::cancelled, cat("stopped making ", what));
    const RunResult result =
        options_.model->run(contexts.tokens_of(batch), options_.sites, {}, false);
    take(contexts, batch, result, streams);
    done += static_cast<std::int64_t>(batch.members.size());
    context_.progress(what, done, contexts.count());
  }
  return streams;
}

void ModelActivations::take(const Contexts& contexts, const Contexts::Batch& batch,
                            const RunResult& result, std::vector<at::Tensor>& streams) const {
  const auto members = static_cast<std::int64_t>(batch.members.size());
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const std::vector<std::int64_t> wanted = {members, batch.length, streams_[i].width};
    if (result.taps.size() != streams.size() || result.taps[i].sizes() != wanted) {
      throw Error(ErrorKind::plugin,
                  cat("the model ", options_.model->info().name, " does not give ",
                      at::IntArrayRef(wanted), " at '", streams_[i].name, "'"));
    }
    for (std::int64_t m = 0; m < members; ++m) {
      const std::int64_t context = batch.members[static_cast<std::size_t>(m)];
      const std::int64_t first = contexts.first(context);
      streams[i]
          .narrow(0, first, contexts.first(context + 1) - first)
          .copy_(result.taps[i][m].narrow(0, contexts.skip(), batch.length - contexts.skip()));
    }
  }
}

void ModelActivations::check_finite(const Contexts& contexts,
                                    const std::vector<at::Tensor>& streams) const {
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const at::Tensor finite = at::isfinite(streams[i]);
    if (finite.all().item<bool>()) continue;
    const at::Tensor row = finite.all(1).logical_not().nonzero()[0][0];
    const at::Tensor origin = contexts.origin()[row.item<std::int64_t>()];
    Error error(ErrorKind::numeric,
                cat("an activation at '", streams_[i].name, "' is not finite, at position ",
                    origin[1].item<std::int64_t>(), " of row ", origin[0].item<std::int64_t>(),
                    " of the dataset (", dataset().where(origin[0].item<std::int64_t>()), ")"));
    if (options_.dtype == Precision::float16) {
      error.with_help("float16 ends at 65504: set dtype = \"bfloat16\" or \"full\"");
    }
    throw error;
  }
}

at::ScalarType ModelActivations::kept_dtype() const {
  switch (options_.dtype) {
    case Precision::float16: return at::kHalf;
    case Precision::bfloat16: return at::kBFloat16;
    case Precision::full: break;
  }
  return context_.dtype();
}

ActivationStore& ModelActivations::store() const {
  if (store_) return *store_;
  Value parameters = Value::table();
  parameters.set("block_contexts", options_.block_contexts);
  parameters.set("batch_contexts", options_.batch_contexts);
  parameters.set("skip_first", options_.skip_first);
  parameters.set("dtype", std::string(c10::toString(kept_dtype())));
  const std::string key =
      content_key(*options_.model, dataset(), options_.sites, std::move(parameters));

  const ModelInfo& model = options_.model->info();
  Value about = Value::table();
  about.set("description",
            cat("raw activations of ", model.name, " over ", dataset().info().description,
                ", from position ", options_.skip_first, " of every context"));
  return store_.emplace(std::filesystem::path(options_.cache.value) / key, streams_, kept_dtype(),
                        std::move(about));
}

std::string ModelActivations::site(std::int64_t stream) const {
  if (stream < 0 || stream >= static_cast<std::int64_t>(streams_.size())) {
    throw Error(cat("there is no stream ", stream, ": there are ", streams_.size()));
  }
  return streams_[static_cast<std::size_t>(stream)].name;
}

at::Tensor ModelActivations::normalise(std::int64_t stream, const at::Tensor& raw) const {
  estimate();
  return normaliser_.of(stream).apply(raw);
}

at::Tensor ModelActivations::denormalise(std::int64_t stream, const at::Tensor& x) const {
  estimate();
  return normaliser_.of(stream).undo(x);
}

const Normalisation& ModelActivations::normalisation(std::int64_t stream) const {
  estimate();
  return normaliser_.of(stream);
}

}  // namespace saffron::plugins
