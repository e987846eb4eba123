#include "testing/checks/groups.h"
#include "testing/drivers/toy_examples.h"
#include "testing/made.h"

#include <saffron/io.h>
#include <saffron/testing/toys.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

namespace saffron::testing {
namespace {

constexpr std::int64_t kRows = 24, kLength = 16;
constexpr double kBetter = 0.75;      // than chance, 0.5, by several standard deviations
constexpr double kRowwise = 1e-5;     // another kernel may sum in another order
constexpr std::uint64_t kUnseen = 7;  // other contexts of the same letters

// Says whether it is asked once nobody may ask it any more.
class WatchedTokenizer final : public Tokenizer {
 public:
  [[nodiscard]] std::int64_t vocabulary() const override { return asked().vocabulary(); }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text,
                                                 bool special) const override {
    return asked().encode(text, special);
  }
  [[nodiscard]] std::string bytes(std::int32_t id) const override { return asked().bytes(id); }
  [[nodiscard]] std::string spelling(std::int32_t id) const override {
    return asked().spelling(id);
  }
  [[nodiscard]] std::int32_t bos() const override { return asked().bos(); }
  [[nodiscard]] std::int32_t eos() const override { return asked().eos(); }

  bool gone = false;
  mutable bool asked_when_gone = false;

 private:
  const ToyTokenizer& asked() const {
    asked_when_gone |= gone;
    return tokenizer_;
  }
  ToyTokenizer tokenizer_;
};

// An explainer, and examples of a latent that fires on one letter.
struct ExplainBench {
  std::shared_ptr<Explainer> explainer;
  WatchedTokenizer tokenizer;

  explicit ExplainBench(const Subject& subject) : explainer(made<Explainer>(subject)) {}
  [[nodiscard]] LatentExamples examples(std::uint64_t data = 1, std::int64_t rows = kRows) const {
    LatentExamples out;
    out.name = "toy latent 3";
    out.tokens = toy_contexts(data, rows, kLength);
    out.strengths = toy_strengths(out.tokens);
    out.tokenizer = &tokenizer;
    return out;
  }
  [[nodiscard]] std::unique_ptr<Explainer::Explanation> explained() const {
    return explain(*explainer, examples());
  }
};

std::string text_fault(const std::string& text) {
  if (text.empty()) return "says nothing";
  try {
    check_utf8(text, "text");
  } catch (const Error& error) {
    return cat("is no valid UTF-8: ", error.what());
  }
  return {};
}

bool fits(const at::Tensor& prediction, const at::Tensor& tokens) {
  return prediction.defined() && prediction.sizes() == tokens.sizes() &&
         prediction.is_floating_point();
}

// Of tokens that the examples have.
void need_finite(const at::Tensor& prediction) {
  if (!all_finite(prediction)) skip("predicts no numbers: see predictions-are-finite");
}

Verdict explanation_is_text(const Subject& subject) {
  const ExplainBench bench(subject);
  const std::string fault = text_fault(bench.explained()->text());
  if (!fault.empty()) fail(cat("its text ", fault));
  return {};
}

Verdict prediction_shape(const Subject& subject) {
  const ExplainBench bench(subject);
  const auto explanation = bench.explained();
  for (const auto& [rows, length] : {std::pair{kRows, kLength}, {3, 5}, {1, 40}, {6, 1}}) {
    const at::Tensor tokens = toy_contexts(kUnseen, rows, length);
    const at::Tensor prediction = explanation->predict(tokens);
    if (!fits(prediction, tokens)) {
      fail(cat("predicts ", describe(prediction), " for tokens [", rows, ", ", length, "]"));
    }
  }
  return {};
}

Verdict predictions_are_finite(const Subject& subject) {
  const ExplainBench bench(subject);
  if (!all_finite(bench.explained()->predict(toy_contexts(kUnseen, kRows, kLength)))) {
    fail("a prediction is NaN or infinite");
  }
  return {};
}

// The chance that an active token is ranked above an inactive one, ties being half a chance.
double ranked_above(const at::Tensor& prediction, const at::Tensor& active) {
  const at::Tensor scores = prediction.to(at::kDouble).reshape(-1);
  const at::Tensor flags = active.reshape(-1);
  const at::Tensor high = scores.index_select(0, flags.nonzero().view(-1)).unsqueeze(1);
  const at::Tensor low = scores.index_select(0, flags.logical_not().nonzero().view(-1));
  const at::Tensor wins = (high > low).to(at::kDouble) + (high == low).to(at::kDouble) * 0.5;
  return wins.mean().item<double>();
}

Verdict ranks_better_than_chance(const Subject& subject) {
  const ExplainBench bench(subject);
  const at::Tensor tokens = toy_contexts(kUnseen, kRows, kLength);
  const at::Tensor prediction = bench.explained()->predict(tokens);
  if (!fits(prediction, tokens)) skip("its predictions have another shape: see prediction-shape");
  need_finite(prediction);
  const double above = ranked_above(prediction, tokens == kFiringToken);
  if (!(above >= kBetter)) {
    fail(
        cat("of a latent that fires on one token, it ranks active tokens above inactive ones with ",
            "chance ", above, "; 0.5 is guessing"));
  }
  return {};
}

// An explanation that says something and predicts numbers, or an Error.
void check_words_or_error(const ExplainBench& bench, const LatentExamples& examples,
                          const char* what) {
  const at::Tensor tokens = toy_contexts(kUnseen, 3, kLength);
  try {
    const auto explanation = explain(*bench.explainer, examples);
    const std::string fault = text_fault(explanation->text());
    if (!fault.empty()) fail(cat(what, ": the text ", fault));
    const at::Tensor prediction = explanation->predict(tokens);
    if (!fits(prediction, tokens) || !all_finite(prediction)) {
      fail(cat(what, ": predicts ", describe(prediction), ", not finite numbers for tokens ",
               tokens.sizes()));
    }
  } catch (const Error&) {
    return;  // refused in words
  } catch (const Finding&) {
    throw;
  } catch (const std::exception& error) {
    fail(cat(what, ": neither explained nor refused in words: ", words_of(error)));
  }
}

Verdict silent_latent(const Subject& subject) {
  const ExplainBench bench(subject);
  LatentExamples examples = bench.examples();
  examples.strengths = at::zeros_like(examples.strengths);
  check_words_or_error(bench, examples, "a latent that never fires");
  return {};
}

Verdict no_examples(const Subject& subject) {
  const ExplainBench bench(subject);
  check_words_or_error(bench, bench.examples(1, 0), "a latent without examples");
  return {};
}

Verdict no_tokenizer(const Subject& subject) {
  const ExplainBench bench(subject);
  need_finite(bench.explained()->predict(toy_contexts(kUnseen, kRows, kLength)));
  LatentExamples examples = bench.examples();
  examples.tokenizer = nullptr;
  check_words_or_error(bench, examples, "examples without a tokenizer");
  return {};
}

Verdict unseen_tokens(const Subject& subject) {
  const ExplainBench bench(subject);
  const auto explanation = bench.explained();
  need_finite(explanation->predict(toy_contexts(kUnseen, kRows, kLength)));
  if (!all_finite(explanation->predict(at::arange(258, at::kLong).view({6, 43})))) {
    fail("the prediction for a token that no example has is NaN or infinite");
  }
  return {};
}

Verdict prediction_batching_invariant(const Subject& subject) {
  need_deterministic(subject);
  const ExplainBench bench(subject);
  const auto explanation = bench.explained();
  const at::Tensor tokens = toy_contexts(kUnseen, 8, kLength);
  const at::Tensor together = explanation->predict(tokens);
  if (!fits(together, tokens)) skip("its predictions have another shape: see prediction-shape");
  std::vector<at::Tensor> single;
  for (std::int64_t i = 0; i < tokens.size(0); ++i) {
    single.push_back(explanation->predict(tokens.slice(0, i, i + 1)));
  }
  const double apart = distance(together, at::cat(single));
  if (apart > kRowwise) {
    fail(cat("a context's prediction depends on the others in the call: apart by ", apart));
  }
  return {};
}

Verdict explanation_stands_alone(const Subject& subject) {
  need_deterministic(subject);
  ExplainBench bench(subject);
  LatentExamples examples = bench.examples();
  const auto explanation = explain(*bench.explainer, examples);
  const at::Tensor tokens = toy_contexts(kUnseen, 8, kLength);
  const std::string text = explanation->text();
  const at::Tensor prediction = explanation->predict(tokens).clone();
  LatentExamples other = bench.examples(2);
  other.strengths = (other.tokens == kFiringToken - 1).to(at::kFloat);
  static_cast<void>(explain(*bench.explainer, other));
  examples.tokens.fill_(0);
  examples.strengths.fill_(0);
  bench.tokenizer.gone = true;
  if (explanation->text() != text) {
    fail(cat("another explanation, or the end of its examples, changes its text from '", text,
             "' to '", explanation->text(), "'"));
  }
  if (!identical(explanation->predict(tokens), prediction)) {
    fail("another explanation, or the end of its examples, changes its predictions");
  }
  if (bench.tokenizer.asked_when_gone) {
    fail("it asks the examples' tokenizer after explain has returned, when that may be gone");
  }
  return {};
}

constexpr Check kChecks[] = {
    {"prediction-shape", "explainer", "predictions have a number for each token", 1,
     prediction_shape},
    {"predictions-are-finite", "explainer", "predictions can be ranked", 1, predictions_are_finite},
    {"explanation-is-text", "explainer", "the explanation is text, and not empty", 1,
     explanation_is_text},
    {"silent-latent", "explainer", "a latent that never fires is explained, or refused in words", 2,
     silent_latent},
    {"no-examples", "explainer", "no examples are explained, or refused in words", 2, no_examples},
    {"no-tokenizer", "explainer", "without a tokenizer it explains, or refuses in words", 2,
     no_tokenizer},
    {"unseen-tokens", "explainer", "tokens that no example has are predicted too", 2,
     unseen_tokens},
    {"prediction-batching-invariant", "explainer",
     "a context's prediction does not depend on the others in the call", 3,
     prediction_batching_invariant},
    {"explanation-stands-alone", "explainer",
     "an explanation outlives its examples and other explanations", 3, explanation_stands_alone},
    {"ranks-better-than-chance", "explainer",
     "a latent that fires on one token is predicted better than by guessing", 4,
     ranks_better_than_chance},
};

}  // namespace

std::span<const Check> explainer_checks() { return kChecks; }

}  // namespace saffron::testing
