#include "testing/drivers/kinds.h"
#include "testing/made.h"

#include <saffron/dataset.h>

#include <vector>

namespace saffron::testing {
namespace {

// A use is one request for rows, which are those of the variant's data.
class DatasetDriver final : public DriverOf<Dataset> {
 public:
  DatasetDriver(const Subject& subject, const Subject::Setup& setup) : DriverOf(subject, setup) {
    static_cast<void>(component_->info());
  }

  [[nodiscard]] Observed use(Inputs& inputs) override {
    const DatasetInfo& info = component_->info();
    if (info.rows < 1) skip("the dataset has no rows");
    std::vector<std::int64_t> indices;
    for (std::int64_t i = 0; i < inputs.variant().rows; ++i) {
      indices.push_back((static_cast<std::int64_t>(inputs.variant().data) * 7 + i * 5) % info.rows);
    }
    const DataRows rows = component_->rows(indices);
    Observed out;
    out.add("description", info.description);
    for (const auto& [name, tensor] :
         {std::pair{"values", &rows.values}, {"mask", &rows.mask}, {"labels", &rows.labels}}) {
      out.note(name, *tensor);
    }
    for (const std::int64_t row : indices) {
      out.add(cat("where row ", row, " is from"), component_->where(row));
    }
    return out;
  }
};

}  // namespace

const KindDriver kDatasetDriver = {.kind = Dataset::kKind,
                                   .powers = {.rows = true},
                                   .drive = drive_or_skip<DatasetDriver>,
                                   .memory = "rows-are-pure",
                                   .again = "rows-are-pure",
                                   .stays = "rows-stay"};

}  // namespace saffron::testing
