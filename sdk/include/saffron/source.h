#pragma once

#include <saffron/namespace.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

class Dataset;
class Model;

struct StreamInfo {
  std::string name;  // "layers.10.resid_post"; a recipe writes "acts:layers.10.resid_post"
  std::int64_t width = 0;
};

struct SourceInfo {
  std::int64_t blocks = 0;      // how many there are; kEndless for a generator
  std::int64_t block_rows = 0;  // the most rows of a block; endless: the rows of every block
  bool ordered = false;  // rows of a block are contexts one after another (`origin` says which)
  // Rows of one block are no more alike than rows of any two (drawn independently, or shuffled
  // already): the host shuffles each block by itself. Otherwise it mixes those of several blocks.
  bool independent = false;
  std::string description;
};

inline constexpr std::int64_t kEndless = std::numeric_limits<std::int64_t>::max();

// Rows of one block. Row r of every stream describes the same event.
struct ActivationRows {
  std::vector<at::Tensor>
      streams;        // [R, width] each, in Context::dtype(), in the order of streams()
  at::Tensor origin;  // int64 [R, 2]: dataset row and position in it; undefined = none
};

// Batches of named activation streams.
//
//   block(i)  is a pure function of i: the same rows at any time, on any rank.
//
// A source yields blocks; from them the host makes everything else: the held-out split (whole
// blocks), the epoch's permutation of blocks, the shuffle of rows, batches, ranks, and seek(row),
// which recomputes the blocks shuffled together there. So a block is the unit of work: some thousand
// rows.
// Blocks of an endless generator are consecutive numbers for ever. Construction and streams() are
// cheap (they read headers only): `saffron check` calls them. info() and block() may work.
// [host thread, one at a time; parallel inside]
class SAFFRON_EXPORT Source {
 public:
  static constexpr const char* kKind = "source";
  static constexpr const char* kInterface = "saffron.source/1";
  using Interface = Source;

  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source();

  [[nodiscard]] virtual const std::vector<StreamInfo>& streams() const = 0;
  [[nodiscard]] virtual const SourceInfo& info() = 0;
  [[nodiscard]] virtual ActivationRows block(std::int64_t index) = 0;
  // Rows of block `index` without making it, 0 to block_rows; block_rows unless overridden.
  [[nodiscard]] virtual std::int64_t rows_of(std::int64_t index);
};

// Capability: a source whose rows are a model's activations, x = (a - mean) * scale.
class SAFFRON_EXPORT ModelBacked {
 public:
  virtual ~ModelBacked();
  [[nodiscard]] virtual Model& model() = 0;
  [[nodiscard]] virtual const Dataset& dataset() const = 0;
  [[nodiscard]] virtual std::string site(std::int64_t stream) const = 0;
  [[nodiscard]] virtual std::int64_t first_position() const = 0;  // positions before it are dropped
  // Raw activations [..., width] to stream rows and back.
  [[nodiscard]] virtual at::Tensor normalise(std::int64_t stream, const at::Tensor& raw) const = 0;
  [[nodiscard]] virtual at::Tensor denormalise(std::int64_t stream, const at::Tensor& x) const = 0;
};

// Capability: a source that planted the features which an SAE should find.
//   features [G, d] with unit rows; coefficients of block i: [R, G] (dense; tests and scorers only)
//   require_planted  Error (invalid) where a stream has no features planted in it; asked by
//                    `saffron check`, so it makes nothing. By default every stream has.
class SAFFRON_EXPORT Planted {
 public:
  virtual ~Planted();
  virtual void require_planted(std::int64_t stream) const;
  [[nodiscard]] virtual at::Tensor features(std::int64_t stream) const = 0;
  [[nodiscard]] virtual at::Tensor coefficients(std::int64_t block) = 0;
};

}  // namespace saffron::inline sdk_v1
