#include "testing/checks/groups.h"
#include "testing/checks/source_rows.h"
#include "testing/made.h"
#include "testing/uses.h"

#include <saffron/dataset.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <map>
#include <set>

// Blocks: what every source promises. What some can do beyond that is in source_powers.cpp.

namespace saffron::testing {
namespace {

constexpr std::int64_t kManyBlocks = 24;       // of an epoch that is too long to read
constexpr std::int64_t kManyRows = 1 << 15;    // and about as many rows
constexpr std::int64_t kFarBlock = 1ll << 40;  // where the host's held-out blocks begin

Verdict resume_cursor(const Subject& subject) {
  need_deterministic(subject);
  const auto first = source_of(subject), second = source_of(subject);
  const std::vector<std::int64_t> blocks = some_blocks(*first);
  need_reproducible(subject);
  std::map<std::int64_t, ActivationRows> kept;
  for (const std::int64_t block : blocks) kept[block] = copied(first->block(block));
  const auto compare = [&](Source& source, std::int64_t block, const char* when) {
    const std::string differs = difference(kept.at(block), source.block(block));
    if (!differs.empty()) fail(cat("block ", block, " differs ", when, ": ", differs));
  };
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    compare(*second, *block, "on another instance that made other blocks before it");
  }
  for (const std::int64_t block : blocks) compare(*first, block, "when it is made again");
  return {};
}

Verdict epoch_ends(const Subject& subject) {
  const auto source = source_of(subject);
  const std::int64_t blocks = source->info().blocks;
  if (blocks == kEndless) {
    static_cast<void>(source->block(kFarBlock));
  } else {
    static_cast<void>(source->block(blocks - 1));
    must_refuse(cat("block ", blocks, " of ", blocks), "invalid", ErrorKind::invalid,
                [&] { return source->block(blocks); });
  }
  must_refuse("block -1", "invalid", ErrorKind::invalid, [&] { return source->block(-1); });
  return {};
}

Verdict rows_of_agrees(const Subject& subject) {
  need_pure_blocks(subject);
  const auto source = source_of(subject);
  const SourceInfo info = source->info();
  for (const std::int64_t block : some_blocks(*source)) {
    const std::int64_t rows = row_count(source->block(block)), said = source->rows_of(block);
    if (rows != said) fail(cat("rows_of(", block, ") is ", said, ", and the block has ", rows));
    if (rows > info.block_rows) {
      fail(cat("block ", block, " has ", rows, " rows; info().block_rows is ", info.block_rows));
    }
    if (info.blocks == kEndless && rows < info.block_rows) {
      fail(cat("block ", block, " has ", rows, " rows; all of an endless source have ",
               info.block_rows, ", its info().block_rows"));
    }
  }
  return {};
}

Verdict declared_shape_and_dtype(const Subject& subject) {
  const auto source = source_of(subject);
  const std::vector<StreamInfo> streams = source->streams();
  for (const std::int64_t block : many_blocks(*source)) {
    const ActivationRows rows = source->block(block);
    if (rows.streams.size() != streams.size()) {
      fail(cat("block ", block, " has ", rows.streams.size(), " streams; streams() lists ",
               streams.size()));
    }
    const std::int64_t count = row_count(rows);
    for (std::size_t s = 0; s < streams.size(); ++s) {
      const at::Tensor& x = rows.streams[s];
      const bool floats = x.defined() && x.scalar_type() == Subject::Setup().dtype;
      if (!floats || x.sizes() != at::IntArrayRef({count, streams[s].width})) {
        fail(cat("stream '", streams[s].name, "' of block ", block, " is ", describe(x),
                 ", expected float32, its Context's dtype, and [", count, ", ", streams[s].width,
                 "]"));
      }
    }
    const at::Tensor& origin = rows.origin;
    if (origin.defined() &&
        (origin.scalar_type() != at::kLong || origin.sizes() != at::IntArrayRef({count, 2}))) {
      fail(cat("the origin of block ", block, " is ", describe(origin), ", expected int64 [", count,
               ", 2]"));
    }
  }
  return {};
}

Verdict streams_have_names(const Subject& subject) {
  const auto source = made<Source>(subject);
  std::set<std::string> seen;
  if (source->streams().empty()) fail("there is no stream");
  for (const StreamInfo& stream : source->streams()) {
    if (stream.name.empty()) fail("a stream has no name");
    if (!seen.insert(stream.name).second) fail(cat("two streams are called '", stream.name, "'"));
    if (stream.width < 1) fail(cat("stream '", stream.name, "' has width ", stream.width));
  }
  return {};
}

// Rank r of w takes blocks r, r + w, ...: here each with an instance of its own, as in a run.
class Epoch {
 public:
  void add(std::int64_t block, const ActivationRows& rows) {
    if (const at::Tensor origin = sound_origin(rows); origin.defined()) {
      const auto* p = origin.const_data_ptr<std::int64_t>();
      for (std::int64_t r = 0; r < origin.size(0); ++r, p += 2) add_row(block, p[0], p[1]);
    } else {
      for (const auto& [other, stream] : contents_) {
        if (!identical(stream, rows.streams.at(0))) continue;
        // They may be right: of truth tables, counts and the like many blocks are equal.
        warn(cat("blocks ", other, " and ", block, " hold the same rows; where that is right, ",
                 "give every row its origin, which says that it is another one"));
      }
      contents_.emplace_back(block, rows.streams.at(0).clone());
    }
  }

 private:
  void add_row(std::int64_t block, std::int64_t row, std::int64_t position) {
    const auto [seen, fresh] = block_of_.try_emplace({row, position}, block);
    if (fresh) return;
    fail(cat("position ", position, " of row ", row, " of the dataset comes twice: in blocks ",
             seen->second, " and ", block));
  }
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> block_of_;
  std::vector<std::pair<std::int64_t, at::Tensor>> contents_;
};

Verdict shards_partition_exactly(const Subject& subject) {
  if (source_of(subject)->info().blocks == kEndless) {
    skip("is endless: its blocks are no partition of anything");
  }
  need_pure_blocks(subject);
  for (const std::int64_t ranks : {1, 3}) {
    Epoch epoch;
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      const auto source = source_of(subject);
      const SourceInfo& info = source->info();
      const std::int64_t enough = std::clamp<std::int64_t>(
          kManyRows / std::max<std::int64_t>(info.block_rows, 1), 4, kManyBlocks);
      const std::int64_t blocks = std::min(info.blocks, enough);
      for (std::int64_t block = rank; block < blocks; block += ranks) {
        epoch.add(block, source->block(block));
      }
    }
  }
  return {};
}

Verdict finite_rows(const Subject& subject) {
  const auto source = source_of(subject);
  for (const std::int64_t block : many_blocks(*source)) {
    const ActivationRows rows = source->block(block);
    for (std::size_t s = 0; s < rows.streams.size(); ++s) {
      if (all_finite(rows.streams[s])) continue;
      fail(cat("stream ", s, " of block ", block, " holds a number that is not finite"));
    }
  }
  return {};
}

Verdict blocks_stay(const Subject& subject) {
  const auto source = source_of(subject);
  const std::vector<std::int64_t> blocks = some_blocks(*source);
  if (blocks.size() < 2) skip("has one block");
  const ActivationRows held = source->block(blocks[0]), before = copied(held);
  static_cast<void>(source->block(blocks[1]));
  const std::string differs = difference(before, held);
  if (!differs.empty()) {
    fail(cat("making block ", blocks[1], " writes over the rows of block ", blocks[0], ": ",
             differs));
  }
  return {};
}

Verdict origin_in_range(const Subject& subject) {
  const auto source = source_of(subject);
  const auto* backed = dynamic_cast<const ModelBacked*>(source.get());
  std::int64_t rows = kEndless, length = kEndless, first = 0;
  if (backed != nullptr) {
    rows = backed->dataset().info().rows;
    length = backed->dataset().info().length;
    first = backed->first_position();
  }
  for (const std::int64_t block : some_blocks(*source)) {
    const at::Tensor origin = sound_origin(source->block(block));
    if (!origin.defined()) skip("its rows have no origin");
    const auto place = origin.accessor<std::int64_t, 2>();
    for (std::int64_t r = 0; r < origin.size(0); ++r) {
      const std::int64_t row = place[r][0], position = place[r][1];
      if (row < 0 || row >= rows) {
        fail(cat("row ", r, " of block ", block, " is from row ", row, " of a dataset of ", rows));
      }
      if (position < first || position >= length) {
        fail(cat("row ", r, " of block ", block, " is from position ", position,
                 "; positions go from ", first, " to ", length - 1));
      }
    }
  }
  return {};
}

Verdict contexts_in_order(const Subject& subject) {
  const auto source = source_of(subject);
  if (!source->info().ordered) skip("info().ordered is false");
  for (const std::int64_t block : some_blocks(*source)) {
    const ActivationRows rows = source->block(block);
    const at::Tensor origin = sound_origin(rows);
    if (!origin.defined() && rows.origin.defined()) skip("see declared-shape-and-dtype");
    if (!origin.defined()) {
      fail(cat("info().ordered is true, but block ", block, " has no origin to say the contexts"));
    }
    const auto place = origin.accessor<std::int64_t, 2>();
    std::set<std::int64_t> ended;
    for (std::int64_t r = 1; r < origin.size(0); ++r) {
      const std::int64_t before = place[r - 1][0], row = place[r][0];
      if (row != before) ended.insert(before);
      if (row == before ? place[r][1] > place[r - 1][1] : ended.count(row) == 0) continue;
      fail(cat("info().ordered is true, but row ", r, " of block ", block, " is (", row, ", ",
               place[r][1], ") after (", before, ", ", place[r - 1][1],
               "): contexts come one after another, each in the order of its positions"));
    }
  }
  return {};
}

constexpr Check kChecks[] = {
    {"streams-have-names", "source", "streams have names of their own and a width", 1,
     streams_have_names},
    {"declared-shape-and-dtype", "source",
     "blocks have the streams that are declared, [rows, width] in the Context's dtype, and int64 "
     "origins",
     1, declared_shape_and_dtype},
    {"finite-rows", "source", "no number is infinite or NaN", 1, finite_rows},
    {"resume-cursor", "source",
     "a block is a function of its number: the same after any others, on any instance", 1,
     resume_cursor},
    {"epoch-ends", "source", "blocks that there are not are refused; an endless source goes on", 2,
     epoch_ends},
    {"rows-of-agrees", "source",
     "rows_of says how many rows a block has: at most block_rows, if endless just as many", 2,
     rows_of_agrees},
    {"shards-partition-exactly", "source", "an epoch, shared among ranks, holds no row twice", 3,
     shards_partition_exactly},
    {"blocks-stay", "source", "a block's rows stay when the next one is made", 3, blocks_stay},
    {"origin-in-range", "source", "origins are rows of the dataset and positions that are kept", 3,
     origin_in_range},
    {"contexts-in-order", "source", "an ordered source yields contexts one after another", 3,
     contexts_in_order},
    {"normalise-roundtrip", "source", "denormalise undoes normalise", 3, normalise_roundtrip},
    {"normalisation-agrees", "source", "normalisation() is what normalise() applies", 3,
     normalisation_agrees},
    {"rows-are-the-models", "source",
     "rows are the model's activations at their origins, normalised", 4, rows_are_the_models},
    {"endless-blocks-differ", "source", "blocks of an endless source hold rows of their own", 3,
     endless_blocks_differ},
    {"planted-features", "source", "planted features are unit rows of a stream's width", 3,
     planted_features},
    {"planted-coefficients", "source", "a block's coefficients are those of its rows", 4,
     planted_coefficients},
};

}  // namespace

std::span<const Check> source_checks() { return kChecks; }

}  // namespace saffron::testing
