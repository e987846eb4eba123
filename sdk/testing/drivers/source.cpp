#include "testing/checks/source_rows.h"
#include "testing/drivers/kinds.h"
#include "testing/made.h"

#include <saffron/source.h>

#include <algorithm>

namespace saffron::testing {
namespace {

constexpr std::int64_t kAsked = 2;           // blocks a use
constexpr std::int64_t kFarthest = 1 << 20;  // of an endless source

// A use is two blocks, and what the source says of the raw activations behind the first.
class SourceDriver final : public DriverOf<Source> {
 public:
  SourceDriver(const Subject& subject, const Subject::Setup& setup) : DriverOf(subject, setup) {
    static_cast<void>(component_->info());
  }

  [[nodiscard]] Observed use(Inputs& inputs) override {
    const SourceInfo& info = component_->info();
    if (info.blocks < 1) skip("the source has no blocks");
    const std::vector<StreamInfo>& streams = component_->streams();
    const std::int64_t blocks = std::min(info.blocks, kFarthest);
    const auto data = static_cast<std::int64_t>(inputs.variant().data);
    Observed out;
    out.add("description", info.description);
    for (std::int64_t k = 0; k < kAsked; ++k) {
      const std::int64_t block = (data * 7 + k * 3) % blocks;
      const ActivationRows rows = component_->block(block);
      for (std::size_t s = 0; s < rows.streams.size(); ++s) {
        const std::string name = s < streams.size() ? streams[s].name : std::to_string(s);
        out.note(cat(name, " of block ", block), rows.streams[s]);
        if (k == 0) add_raw(static_cast<std::int64_t>(s), rows.streams[s], out);
      }
      out.note(cat("origin of block ", block), rows.origin);
    }
    return out;
  }

 private:
  void add_raw(std::int64_t stream, const at::Tensor& rows, Observed& out) {
    const auto* backed = dynamic_cast<const ModelBacked*>(component_.get());
    if (backed != nullptr) {
      out.note(cat("denormalised stream ", stream), backed->denormalise(stream, rows));
    }
  }
};

}  // namespace

// float64: rows come in the recipe's dtype (Context::dtype).
const KindDriver kSourceDriver = {.kind = Source::kKind,
                                  .powers = {.dtype = true},
                                  .drive = drive_or_skip<SourceDriver>,
                                  .memory = "resume-cursor",
                                  .again = "resume-cursor",
                                  .stays = "blocks-stay"};

}  // namespace saffron::testing
