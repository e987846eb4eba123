#include "testing/checks/source_rows.h"
#include "testing/made.h"

#include <saffron/dataset.h>
#include <saffron/model.h>
#include <saffron/normalise.h>

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace saffron::testing {
namespace {

constexpr double kRoundtrip = 1e-4;
constexpr double kRounded = 2e-2;            // activations may be kept in bfloat16
constexpr double kUnit = 1e-4;               // of a feature's norm
constexpr double kUnexplained = 0.9;         // of the variance; rows of another block leave about 2
constexpr double kCommon = 0.2;              // of a block's rows, by chance
constexpr std::int64_t kContexts = 3;        // run through the model
constexpr std::int64_t kMany = 64;           // blocks
constexpr std::int64_t kFarthest = 1 << 20;  // block of an endless source

template <class Power>
Power& power_of(Source& source, const char* what) {
  auto* power = dynamic_cast<Power*>(&source);
  if (power == nullptr) skip(what);
  return *power;
}

ModelBacked& backed_of(Source& source) {
  return power_of<ModelBacked>(source, "its rows come from no model (it is not ModelBacked)");
}

// ||a - b|| / ||b||
double relative_distance(const at::Tensor& a, const at::Tensor& b) {
  const double apart = (a - b).norm().item<double>();
  return apart == 0 ? 0 : apart / b.norm().item<double>();
}

std::int64_t stream_count(const Source& source) {
  return static_cast<std::int64_t>(source.streams().size());
}

}  // namespace

std::shared_ptr<Source> source_of(const Subject& subject, const Subject::Setup& setup) {
  auto source = made<Source>(subject, setup);
  const std::int64_t blocks = or_skip(subject, [&] { return source->info().blocks; });
  if (blocks < 1) skip("the source has no blocks");
  return source;
}

std::vector<std::int64_t> some_blocks(Source& source) {
  const std::int64_t blocks = source.info().blocks, near = std::min(blocks, kFarthest);
  std::vector<std::int64_t> out;
  for (const std::int64_t block : {std::int64_t{0}, std::int64_t{1}, near / 2, near - 1}) {
    if (block < blocks && std::find(out.begin(), out.end(), block) == out.end()) {
      out.push_back(block);
    }
  }
  return out;
}

std::vector<std::int64_t> many_blocks(Source& source) {
  std::vector<std::int64_t> out = some_blocks(source);
  const std::int64_t blocks = std::min(source.info().blocks, kMany);
  for (std::int64_t block = 0; block < blocks; ++block) {
    if (std::find(out.begin(), out.end(), block) == out.end()) out.push_back(block);
  }
  return out;
}

void need_pure_blocks(const Subject& subject) {
  if (!subject.deterministic()) return;
  const auto source = source_of(subject);
  const std::vector<std::int64_t> blocks = some_blocks(*source);
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    const ActivationRows before = copied(source->block(*block));
    if (!difference(before, source_of(subject)->block(*block)).empty() ||
        !difference(before, source->block(*block)).empty()) {
      skip("see resume-cursor");
    }
  }
}

std::int64_t row_count(const ActivationRows& rows) {
  for (const at::Tensor& stream : rows.streams) {
    if (stream.defined() && stream.dim() > 0) return stream.size(0);
  }
  return 0;
}

at::Tensor sound_origin(const ActivationRows& rows) {
  const at::Tensor& origin = rows.origin;
  const bool sound = origin.defined() && origin.scalar_type() == at::kLong &&
                     origin.sizes() == at::IntArrayRef({row_count(rows), 2});
  return sound ? origin.contiguous() : at::Tensor();
}

ActivationRows copied(const ActivationRows& rows) {
  ActivationRows out;
  for (const at::Tensor& stream : rows.streams) out.streams.push_back(stream.clone());
  if (rows.origin.defined()) out.origin = rows.origin.clone();
  return out;
}

std::string difference(const ActivationRows& a, const ActivationRows& b) {
  Observed left, right;
  for (auto [rows, out] : {std::pair{&a, &left}, {&b, &right}}) {
    for (std::size_t s = 0; s < rows->streams.size(); ++s) {
      out->add(cat("stream ", s), rows->streams[s]);
    }
    out->add("origin", rows->origin);
  }
  return difference(left, right);
}

Verdict normalise_roundtrip(const Subject& subject) {
  const auto source = source_of(subject);
  const ModelBacked& backed = backed_of(*source);
  const ActivationRows rows = source->block(0);
  for (std::int64_t s = 0; s < stream_count(*source); ++s) {
    // Any numbers will do for raw activations; a block's are of the right size.
    const at::Tensor& some = rows.streams.at(static_cast<std::size_t>(s));
    const at::Tensor raw = some.unsqueeze(0);
    const at::Tensor back = backed.denormalise(s, backed.normalise(s, raw));
    if (back.sizes() != raw.sizes() || back.scalar_type() != raw.scalar_type()) {
      fail(cat("denormalise(normalise(x)) of stream ", s, " is ", describe(back), " for x ",
               describe(raw)));
    }
    const double apart = distance(back, raw);
    if (apart > kRoundtrip) {
      fail(cat("denormalise(normalise(x)) of stream ", s, " is apart from x by ", apart));
    }
  }
  return {};
}

Verdict normalisation_agrees(const Subject& subject) {
  const auto source = source_of(subject);
  const ModelBacked& backed = backed_of(*source);
  const auto& normalised =
      power_of<Normalised>(*source, "does not say how it normalises (it is not Normalised)");
  const ActivationRows rows = source->block(0);
  for (std::int64_t s = 0; s < stream_count(*source); ++s) {
    const at::Tensor& raw = rows.streams.at(static_cast<std::size_t>(s));
    const double apart = distance(normalised.normalisation(s).apply(raw), backed.normalise(s, raw));
    if (apart > kRoundtrip) {
      fail(cat("normalisation(", s, ").apply(x) and normalise(", s, ", x) are apart by ", apart));
    }
  }
  return {};
}

Verdict rows_are_the_models(const Subject& subject) {
  const c10::AutoGradMode no_grad(false);
  const auto source = source_of(subject);
  ModelBacked& backed = backed_of(*source);
  const ActivationRows rows = source->block(0);
  const at::Tensor origin = sound_origin(rows);
  if (!origin.defined()) skip("its rows have no origin");
  std::vector<std::string> sites;
  for (std::int64_t s = 0; s < stream_count(*source); ++s) sites.push_back(backed.site(s));

  const auto place = origin.accessor<std::int64_t, 2>();
  std::int64_t context = -1, contexts = 0;
  RunResult result;
  for (std::int64_t r = 0; r < origin.size(0); ++r) {
    const std::int64_t row = place[r][0], position = place[r][1];
    const DatasetInfo& data = backed.dataset().info();
    if (row < 0 || row >= data.rows || position < 0 || position >= data.length) {
      skip("see origin-in-range");
    }
    if (row != context) {
      if (++contexts > kContexts) break;
      const std::array<std::int64_t, 1> index = {context = row};
      const at::Tensor tokens = backed.dataset().rows(index).values;
      result = backed.model().run(tokens, sites, {}, false);
    }
    for (std::size_t s = 0; s < sites.size(); ++s) {
      const at::Tensor x =
          backed.normalise(static_cast<std::int64_t>(s), result.taps[s][0][position]);
      const double apart = relative_distance(x, rows.streams[s][r]);
      if (apart <= kRounded) continue;
      fail(cat("row ", r, " of stream '", source->streams()[s].name,
               "' is not what the model has at '", sites[s], "' at its origin (row ", row,
               ", position ", position, "), normalised: apart by ", apart));
    }
  }
  return {};
}

namespace {

// The bytes of each row of the first stream that is not one number throughout.
std::set<std::string> rows_of(const ActivationRows& rows) {
  std::set<std::string> out;
  const at::Tensor x = rows.streams.at(0).contiguous();
  const auto* bytes = static_cast<const char*>(x.const_data_ptr());
  const std::size_t size =
      x.nbytes() / static_cast<std::size_t>(std::max<std::int64_t>(1, x.size(0)));
  for (std::int64_t r = 0; r < x.size(0); ++r, bytes += size) {
    if (x[r].ne(x[r][0]).any().item<bool>()) out.emplace(bytes, size);
  }
  return out;
}

}  // namespace

Verdict endless_blocks_differ(const Subject& subject) {
  const auto source = source_of(subject);
  if (source->info().blocks != kEndless) skip("ends: shards-partition-exactly asks this");
  need_pure_blocks(subject);
  std::vector<std::pair<std::int64_t, std::set<std::string>>> seen;
  for (const std::int64_t block : some_blocks(*source)) {
    const std::set<std::string> rows = rows_of(source->block(block));
    for (const auto& [other, before] : seen) {
      std::size_t common = 0;
      for (const std::string& row : rows) common += before.count(row);
      if (static_cast<double>(common) <= kCommon * static_cast<double>(rows.size())) continue;
      fail(cat("blocks ", other, " and ", block, " have ", common, " of ", rows.size(),
               " different rows in common: a run would see the same rows again"));
    }
    seen.emplace_back(block, rows);
  }
  return {};
}

Verdict planted_features(const Subject& subject) {
  const auto source = source_of(subject);
  Planted& planted = power_of<Planted>(*source, "plants no features (it is not Planted)");
  for (std::int64_t s = 0; s < stream_count(*source); ++s) {
    const at::Tensor features = or_skip(subject, [&] { return planted.features(s); });
    const std::int64_t width = source->streams()[static_cast<std::size_t>(s)].width;
    if (!features.defined() || features.dim() != 2 || features.size(1) != width) {
      fail(cat("the features of stream ", s, " are ", describe(features), ", expected [G, ", width,
               "]"));
    }
    try {
      planted.require_planted(s);
    } catch (const Error& e) {
      fail(cat("require_planted refuses stream ", s, ", whose features are there: ", e.what()));
    }
    const at::Tensor off = (features.to(at::kDouble).norm(2, at::IntArrayRef{1}) - 1).abs();
    const double worst = off.max().item<double>();
    if (!(worst <= kUnit)) {
      fail(cat("feature ", off.argmax().item<std::int64_t>(), " of stream ", s,
               " has a norm that is off 1 by ", worst));
    }
  }
  return {};
}

// x = C F (+ noise) must say more of a block's rows than their mean does, in some stream.
Verdict planted_coefficients(const Subject& subject) {
  const auto source = source_of(subject);
  Planted& planted = power_of<Planted>(*source, "plants no features (it is not Planted)");
  need_pure_blocks(subject);
  const std::int64_t block = some_blocks(*source).size() > 1 ? 1 : 0;
  const at::Tensor coefficients = or_skip(subject, [&] { return planted.coefficients(block); });
  const ActivationRows rows = source->block(block);
  const std::int64_t count = row_count(rows);
  double best = std::numeric_limits<double>::infinity();
  for (std::int64_t s = 0; s < stream_count(*source); ++s) {
    const at::Tensor features = planted.features(s).to(at::kDouble);
    if (coefficients.sizes() != at::IntArrayRef({count, features.size(0)})) {
      fail(cat("the coefficients of block ", block, " are ", describe(coefficients), ", expected [",
               count, ", ", features.size(0), "]"));
    }
    const at::Tensor x = rows.streams[static_cast<std::size_t>(s)].to(at::kDouble);
    const at::Tensor error = x - coefficients.to(at::kDouble).mm(features);
    const double variation = (x - x.mean(0, true)).square().sum().item<double>();
    best = std::min(best, error.square().sum().item<double>() / variation);
  }
  if (!(best < kUnexplained)) {
    fail(cat("coefficients times features leave ", best, " of the variance of block ", block,
             "'s rows unexplained: they are not of these rows"));
  }
  return {};
}

}  // namespace saffron::testing
