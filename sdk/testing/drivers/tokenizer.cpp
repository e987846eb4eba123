#include "testing/drivers/kinds.h"
#include "testing/made.h"

#include <saffron/tokenizer.h>

#include <ATen/ops/empty.h>

#include <algorithm>

namespace saffron::testing {
namespace {

// A use encodes a few texts of the variant's data, with and without special tokens.
class TokenizerDriver final : public DriverOf<Tokenizer> {
 public:
  TokenizerDriver(const Subject& subject, const Subject::Setup& setup) : DriverOf(subject, setup) {
    static_cast<void>(component_->vocabulary());
  }

  [[nodiscard]] Observed use(Inputs& inputs) override {
    const std::string number = std::to_string(inputs.variant().data);
    Observed out;
    out.add("special ids",
            cat(component_->vocabulary(), ' ', component_->bos(), ' ', component_->eos()));
    for (const std::string& text : {"In the beginning was text " + number + ".",
                                    "x = " + number + " * 0x1F;\r\n\tna\xC3\xAFve",
                                    "\xF0\x9F\x98\x80 " + number + " \xE6\x97\xA5\xE6\x9C\xAC"}) {
      for (const bool special : {false, true}) {
        const std::vector<std::int32_t> ids = component_->encode(text, special);
        at::Tensor held = at::empty({static_cast<std::int64_t>(ids.size())}, at::kInt);
        std::copy(ids.begin(), ids.end(), held.mutable_data_ptr<std::int32_t>());
        std::string shown;
        for (const std::int32_t id : ids) {
          shown += cat(component_->bytes(id), '|', component_->spelling(id), '|');
        }
        out.note(cat("ids of '", text, "'"), held);
        out.add(cat("tokens of '", text, "'"), shown);
      }
    }
    return out;
  }
};

}  // namespace

const KindDriver kTokenizerDriver = {.kind = Tokenizer::kKind,
                                     .powers = {},
                                     .drive = drive_or_skip<TokenizerDriver>,
                                     .memory = "encode-is-pure",
                                     .again = "encode-is-pure"};

}  // namespace saffron::testing
