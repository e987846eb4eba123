#include "plugins/saes/pretrained/pretrained.h"

#include "plugins/formats/dictionary_learning/dictionary_learning.h"
#include "plugins/formats/gemma_scope/gemma_scope.h"
#include "plugins/formats/saelens/saelens.h"
#include "plugins/formats/sparsify/sparsify.h"
#include "tests/plugins/formats/formats_testing.h"

#include <ATen/ops/zeros.h>

namespace saffron::format_test {
namespace {

using plugins::Pretrained;
using test::caught;
using ::testing::HasSubstr;

template <class F>
Child<Format> child() {
  return Child<Format>(std::shared_ptr<Format>(std::make_shared<F>(typename F::Options{})));
}

Pretrained::Options at_path(const fs::path& path) {
  Pretrained::Options options;
  options.path.value = path.string();
  options.formats = {child<plugins::SaeLens>(), child<plugins::DictionaryLearning>(),
                     child<plugins::Sparsify>(), child<plugins::GemmaScope>()};
  return options;
}

// Always the same SAE.
class Fixed final : public Format {
 public:
  explicit Fixed(CanonicalSae sae) : sae_(std::move(sae)) {}
  [[nodiscard]] bool recognises(const std::string&) const override { return false; }
  [[nodiscard]] CanonicalSae read(const std::string&) const override { return sae_; }
  void write(const TrainedSae&, const CanonicalSae&, const std::string&) const override {}

 private:
  CanonicalSae sae_;
};

// An SAE as the host makes it ready.
struct Ready {
  explicit Ready(const Pretrained::Options& options, std::int64_t d_in, std::int64_t d_out)
      : sae(options) {
    spec = sae.declare({{{"x", d_in}}, {{"y", d_out}}});
    for (const ParameterSpec& parameter : spec.parameters) {
      EXPECT_TRUE(parameter.frozen) << parameter.name;
      tensors.set(parameter.name, at::zeros(parameter.shape));
    }
    sae.bind(tensors, {});
    sae.initialise({.random = Random(1), .sample = {}});
  }
  Pretrained sae;
  SaeSpec spec;
  Tensors tensors;
};

void expect_outputs(const Ready& ready, const at::Tensor& x, const Forwarded& expected) {
  const Codes codes = ready.sae.encode({x}).at(0);
  EXPECT_LT(apart(codes.to_dense(), expected.codes), 1e-5);
  EXPECT_LT(apart(ready.sae.decode({codes}).at(0), expected.xhat), 1e-5);
  EXPECT_EQ(codes.layout(), ready.spec.layout);
}

TEST(Pretrained, FindsTheFormatAndComputesWhatWasRecorded) {
  for (const char* format : {"saelens", "sparsify", "dictionary_learning", "gemma_scope"}) {
    for (const fs::path& folder : recorded_folders(format)) {
      SCOPED_TRACE(folder.string());
      const auto recorded = SafetensorsFile::open(folder / "recorded.safetensors");
      const at::Tensor x = recorded.tensor("x").clone();
      const Ready ready(at_path(folder), x.size(1), recorded.info("xhat").shape[1]);
      expect_outputs(ready, x, {recorded.tensor("codes"), recorded.tensor("xhat")});
    }
  }
}

TEST(Pretrained, ComputesEveryActivation) {
  const at::Tensor x = Random(7).normal_rows(0, 30, kD);
  for (const char* activation : {"relu", "topk", "abs_topk", "groupmax", "jumprelu", "gated"}) {
    for (const std::int64_t d_out : {kD, kOut}) {
      SCOPED_TRACE(activation);
      const CanonicalSae sae = on_raw_activations(random_sae(activation, d_out, d_out != kD));
      Pretrained::Options options = at_path("anywhere");
      options.format = Child<Format>(std::shared_ptr<Format>(std::make_shared<Fixed>(sae)));
      const Ready ready(options, kD, d_out);
      expect_outputs(ready, x, forward(sae, x));
      expect_identical(ready.sae.canonical(), sae);
    }
  }
}

TEST(Pretrained, SaysWhyItCannot) {
  const test::TemporaryFolder folder;
  const SaeShape shape = {{{"x", kD}}, {{"x", kD}}};
  const auto problem = [&](const fs::path& path) {
    Pretrained sae(at_path(path));
    return std::string(caught([&] { (void)sae.declare(shape); }).what());
  };
  EXPECT_THAT(problem(folder / "none"), HasSubstr("no such file"));
  EXPECT_THAT(problem(folder.path()), HasSubstr("in none of the formats"));
  const fs::path five = recorded_folders("saelens").front();  // of width 5
  EXPECT_THAT(problem(five), AllOf(HasSubstr(five.string()), HasSubstr("of width 5")));
}

}  // namespace
}  // namespace saffron::format_test
