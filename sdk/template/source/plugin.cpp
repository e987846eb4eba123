// @NAME@: a source of activation rows.
//
// Change first: the formula below and block(); then streams_ and info_, which say what the rows
// are; then Options and schema(). Drop saffron::Planted where nothing is planted.
//
// What holds for every source (saffron/source.h):
// - block(i) is a pure function of i, on any rank and in any order: no counter, no generator
//   with state, no clock. A draw is a function of a purpose and a row number.
// - Held-out rows, shuffling, epochs, batches and resume are the host's: it asks for blocks.
// - Construction and streams() are cheap, as `saffron check` calls them; block() may work.
// - Row r of all streams is the same event, [R, width] each, of the recipe's dtype.
// - info_.independent says that the rows of a block are drawn independently of each other: the
//   host then shuffles each block by itself. Where a row has its neighbours beside it, leave it
//   out.
// - Called by one thread at a time; inside, at::parallel_for with chunks of fixed size.

#include <saffron/error.h>
#include <saffron/plugin.h>
#include <saffron/source.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace {

// Mixture of K Gaussians of equal weight, without end:
//
//   z ~ U{0, ..., K - 1}        x = radius * u_z + noise * e,    e ~ N(0, I),    u_k [d], norm 1
//
// One stream, "x". Planted are the directions u_k: of every row exactly one is active, with
// coefficient `radius`. (Pearson 1894 is the first to fit one.)
class @CLASS@ final : public saffron::Source, public saffron::Planted {
 public:
  struct Options {
    std::int64_t components = 16;
    std::int64_t width = 32;
    double radius = 4;
    double noise = 0.25;
    std::int64_t block_rows = 1024;
  };
  static auto schema() {
    using saffron::between, saffron::non_negative, saffron::positive;
    return saffron::Schema<Options>{}
        .param("components", &Options::components, "Gaussians K", between(1, 1 << 20))
        .param("width", &Options::width, "dimensions d of a row", between(1, 1 << 20))
        .param("radius", &Options::radius, "distance of their means from 0", positive())
        .param("noise", &Options::noise, "standard deviation about a mean", non_negative())
        .param("block_rows", &Options::block_rows,
               "rows of a block, the unit of work and of the held-out split", between(1, 1 << 20));
  }

  @CLASS@(const Options& options, const saffron::Context& context)
      : options_(options),
        random_(context.random("mixture")),
        dtype_(context.dtype()),
        streams_{{"x", options.width}} {
    info_.blocks = saffron::kEndless;
    info_.block_rows = options.block_rows;
    info_.independent = true;
    info_.description =
        saffron::cat(options.components, " Gaussians in ", options.width, " dimensions");
  }

  const std::vector<saffron::StreamInfo>& streams() const override { return streams_; }
  const saffron::SourceInfo& info() override { return info_; }

  saffron::ActivationRows block(std::int64_t index) override {
    const std::int64_t first = first_row(index), R = options_.block_rows, d = options_.width;
    const at::Tensor mean = features(0).index_select(0, components(first)) * options_.radius;
    const at::Tensor e = random_.fork("noise").normal_rows(first, R, d, dtype_);
    saffron::ActivationRows rows;
    rows.streams = {mean + e * options_.noise};
    return rows;
  }

  at::Tensor features(std::int64_t) const override {
    const at::Tensor u =
        random_.fork("means").normal_rows(0, options_.components, options_.width, dtype_);
    return u / u.norm(2, at::IntArrayRef{1}, true);
  }

  at::Tensor coefficients(std::int64_t index) override {
    at::Tensor out = at::zeros({options_.block_rows, options_.components}, at::dtype(dtype_));
    return out.scatter_(1, components(first_row(index)).unsqueeze(1), options_.radius);
  }

 private:
  std::int64_t first_row(std::int64_t index) const {
    const std::int64_t last = saffron::kEndless / options_.block_rows - 1;
    if (index < 0 || index > last) {
      throw saffron::Error(saffron::cat("there is no block ", index, ": they go from 0 to ", last));
    }
    return index * options_.block_rows;
  }

  // z of the rows from `first` on, int64 [block_rows].
  at::Tensor components(std::int64_t first) const {
    const saffron::Random random = random_.fork("components");
    const auto K = static_cast<std::uint64_t>(options_.components);
    at::Tensor z = at::empty({options_.block_rows}, at::kLong);
    auto* to = z.mutable_data_ptr<std::int64_t>();
    for (std::int64_t r = 0; r < options_.block_rows; ++r) {
      to[r] = static_cast<std::int64_t>(random.below(K, static_cast<std::uint64_t>(first + r)));
    }
    return z;
  }

  Options options_;
  saffron::Random random_;
  at::ScalarType dtype_;
  std::vector<saffron::StreamInfo> streams_;
  saffron::SourceInfo info_;
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "Mixture of Gaussians with planted means"))
