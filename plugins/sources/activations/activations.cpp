#include "activations.h"

#include "folder.h"

#include <saffron/error.h>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>
#include <iomanip>
#include <numeric>
#include <set>
#include <sstream>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kGrain = 64;  // rows read as one piece of parallel work

std::vector<StreamInfo> streams_of(const Shard& shard) {
  std::vector<StreamInfo> out;
  for (const StreamRows& stream : shard.streams()) out.push_back({stream.name(), stream.width()});
  return out;
}

std::string megabytes(std::int64_t bytes) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(1) << static_cast<double>(bytes) / 1e6 << " MB";
  return out.str();
}

// Positions of `rows` in ascending order of row: files are read forwards.
std::vector<std::int64_t> ascending(std::span<const std::int64_t> rows) {
  std::vector<std::int64_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return rows[static_cast<std::size_t>(a)] < rows[static_cast<std::size_t>(b)];
  });
  return order;
}

}  // namespace

Schema<Activations::Options> Activations::schema() {
  return Schema<Options>{}
      .param("path", &Options::path,
             "a folder of .safetensors or .npy files, one such file, or a pattern such as "
             "acts/*.npy",
             required(), not_empty(), hashed_file())
      .param(
          "streams", &Options::streams,
          "the tensors to read, in this order; by default all of floating-point numbers, by name")
      .param("stream", &Options::stream,
             "the one stream that all .npy files hold; by default their names say")
      .param("shuffle", &Options::shuffle,
             "whether blocks draw their rows from all files, in a pseudo-random order; without it "
             "they follow the files, and the held-out split is of neighbouring rows")
      .param("block_rows", &Options::block_rows, "rows a block", at_least(1))
      .choice("centre", &Options::centre, kCentringDoc, centring_words())
      .choice("scale", &Options::scale, kScalingDoc, scaling_words())
      .param("normalise_rows", &Options::normalise_rows,
             "rows drawn from the files to estimate centre and scale", at_least(1))
      .check([](const Options& o) {
        const std::set<std::string> names(o.streams.begin(), o.streams.end());
        return names.size() == o.streams.size() ? "" : "streams names one of them twice";
      });
}

Activations::Activations(const Options& options, const Context& context)
    : options_(options),
      context_(context),
      shards_(open_shards(options.path.value, options.streams, options.stream,
                          options.shuffle ? Access::random : Access::sequential)),
      streams_(streams_of(shards_.front())),
      normaliser_(options.centre, options.scale, streams_) {
  std::int64_t rows = 0, contexts = 0, bytes = 0;
  for (const Shard& shard : shards_) {
    first_row_.push_back(rows);
    first_context_.push_back(contexts);
    rows += shard.rows();
    contexts += shard.contexts();
    bytes += shard.bytes();
  }
  first_row_.push_back(rows);

  info_.block_rows = std::min(options_.block_rows, rows);
  const std::int64_t positions = shards_.front().positions();
  info_.ordered = !options_.shuffle && positions > 0 &&
                  std::all_of(shards_.begin(), shards_.end(),
                              [&](const Shard& shard) { return shard.positions() == positions; });
  if (info_.ordered) {  // whole contexts
    info_.block_rows = std::max(info_.block_rows / positions, std::int64_t{1}) * positions;
  }
  info_.independent = options_.shuffle;
  info_.blocks = (rows + info_.block_rows - 1) / info_.block_rows;
  info_.description = cat(shards_.size(), shards_.size() == 1 ? " file, " : " files, ", rows,
                          " rows, ", megabytes(bytes));
}

std::int64_t Activations::rows_of(std::int64_t index) {
  if (index < 0 || index >= info_.blocks) {
    throw Error(cat("there is no block ", index, ": the source has ", info_.blocks));
  }
  return std::min(info_.block_rows, first_row_.back() - index * info_.block_rows);
}

std::vector<std::int64_t> Activations::rows_of_block(std::int64_t index) const {
  const std::int64_t begin = index * info_.block_rows;
  const std::int64_t end = std::min(begin + info_.block_rows, first_row_.back());
  std::vector<std::int64_t> rows(static_cast<std::size_t>(end - begin));
  std::iota(rows.begin(), rows.end(), begin);
  if (!options_.shuffle) return rows;
  const Permutation order(context_.random("order"), static_cast<std::uint64_t>(first_row_.back()));
  for (std::int64_t& row : rows) {
    row = static_cast<std::int64_t>(order(static_cast<std::uint64_t>(row)));
  }
  return rows;
}

std::vector<Activations::Place> Activations::find(std::span<const std::int64_t> rows) const {
  std::vector<Place> places;
  places.reserve(rows.size());
  for (const std::int64_t row : rows) {
    const auto after = std::upper_bound(first_row_.begin(), first_row_.end(), row);
    const auto shard = static_cast<std::size_t>(after - first_row_.begin() - 1);
    places.push_back({shard, row - first_row_[shard]});
  }
  return places;
}

at::Tensor Activations::read(std::size_t stream, std::span<const Place> places) const {
  const auto count = static_cast<std::int64_t>(places.size());
  std::vector<std::int64_t> rows(places.size());
  std::transform(places.begin(), places.end(), rows.begin(),
                 [&](const Place& place) { return first_row_[place.shard] + place.row; });
  const std::vector<std::int64_t> order = ascending(rows);
  at::Tensor out = at::empty({count, streams_[stream].width}, context_.dtype());
  std::atomic<std::int64_t> wrong = count;  // the first place of `places` that is not finite
  const auto copy_all = [&]<class T>(T* to) {
    at::parallel_for(0, count, kGrain, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t k = first; k < last; ++k) {
        const std::int64_t at = order[static_cast<std::size_t>(k)];
        const Place& place = places[static_cast<std::size_t>(at)];
        const StreamRows& from = shards_[place.shard].streams()[stream];
        if (from.copy(place.row, to + at * from.width())) continue;
        std::int64_t seen = wrong.load();
        while (at < seen && !wrong.compare_exchange_weak(seen, at)) {
        }
      }
    });
  };
  if (context_.dtype() == at::kDouble) {
    copy_all(out.mutable_data_ptr<double>());
  } else {
    copy_all(out.mutable_data_ptr<float>());
  }
  if (wrong.load() < count) {
    const Place& place = places[static_cast<std::size_t>(wrong.load())];
    shards_[place.shard].streams()[stream].refuse(place.row, context_.dtype());
  }
  return out;
}

at::Tensor Activations::origin(std::span<const Place> places) const {
  if (!shards_.front().has_origin()) return {};
  at::Tensor out = at::empty({static_cast<std::int64_t>(places.size()), 2}, at::kLong);
  auto* to = out.mutable_data_ptr<std::int64_t>();
  for (const Place& place : places) {
    shards_[place.shard].copy_origin(place.row, first_context_[place.shard], to);
    to += 2;
  }
  return out;
}

void Activations::estimate() const {
  if (!normaliser_.wants_sample()) return;
  const std::int64_t all = first_row_.back();
  const Permutation order(context_.random("normalisation"), static_cast<std::uint64_t>(all));
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < std::min(options_.normalise_rows, all); ++i) {
    rows.push_back(static_cast<std::int64_t>(order(static_cast<std::uint64_t>(i))));
  }
  const std::vector<Place> places = find(rows);
  std::vector<at::Tensor> samples;
  for (std::size_t i = 0; i < streams_.size(); ++i) samples.push_back(read(i, places));
  normaliser_.fit(samples);
}

ActivationRows Activations::block(std::int64_t index) {
  static_cast<void>(rows_of(index));  // checks the index
  estimate();
  const std::vector<Place> places = find(rows_of_block(index));
  ActivationRows out;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    out.streams.push_back(normaliser_.of(static_cast<std::int64_t>(i)).apply(read(i, places)));
  }
  out.origin = origin(places);
  return out;
}

const Normalisation& Activations::normalisation(std::int64_t stream) const {
  estimate();
  return normaliser_.of(stream);
}

}  // namespace saffron::plugins
