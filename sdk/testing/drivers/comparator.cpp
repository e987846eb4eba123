#include "testing/drivers/compared.h"
#include "testing/drivers/kinds.h"
#include "testing/drivers/worlds.h"
#include "testing/made.h"

#include <string>

namespace saffron::testing {
namespace {

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += text + "; ";
  return out;
}

std::string in_words(const Certificate& c) {
  return cat("needs ", joined(c.needs), "invariant to ", joined(c.invariant_to), "pseudometric ",
             c.pseudometric, ", sound ", c.sound, ", complete ", c.complete, ", U ",
             c.U.value_or(-1), ", L ", c.L.value_or(-1), ", covers ", c.covers, ", but ", c.caveat);
}

// Compares the rewards of a toy world.
class ComparatorDriver final : public DriverOf<Comparator> {
 public:
  using DriverOf::DriverOf;

  [[nodiscard]] Observed use(Inputs& inputs) override {
    const Variant& variant = inputs.variant();
    Inputs doubles({.strided = variant.strided, .dtype = at::kDouble});  // a world's dtype
    std::vector<std::shared_ptr<World>> worlds;
    for (const std::shared_ptr<World>& toy : toy_worlds(variant.data)) {
      worlds.push_back(with_tensors(toy, [&](const std::string& name, const at::Tensor& tensor) {
        at::Tensor given = doubles.give(name, tensor);
        inputs.watch("the world's " + name, given);
        return given;
      }));
    }
    const Comparison found = compare_first(*component_, worlds).comparison;
    Observed out;
    for (const PairMatrix& matrix : found.metrics) {
      out.add(matrix.key, matrix.values);
      out.add("definition of " + matrix.key, matrix.definition);
      out.add("reasons of " + matrix.key, joined(matrix.reasons));
    }
    for (const Certificate& c : found.certificates)
      out.add("certificate of " + c.metric, in_words(c));
    out.add("degenerate", joined(found.degenerate));
    out.add("report", to_json(to_value(found.report)));
    return out;
  }
};

}  // namespace

Compared compare_first(Comparator& comparator, const std::vector<std::shared_ptr<World>>& worlds) {
  std::string why;
  for (const std::shared_ptr<World>& world : worlds) {
    try {
      return {world, comparator.compare(*world)};
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::invalid) throw;
      why += cat(why.empty() ? "" : "; ", error.message());
    }
  }
  skip(cat("refuses every toy world (tabular, sampled, numbered, preference): ", why,
           ": options that it would take them with go under [options] in test-plugin.toml"));
}

const KindDriver kComparatorDriver{.kind = Comparator::kKind,
                                   .powers = {.strided = true},
                                   .drive = drive_or_skip<ComparatorDriver>,
                                   .memory = "compare-has-no-memory",
                                   .again = "compare-has-no-memory"};

}  // namespace saffron::testing
