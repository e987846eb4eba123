// @NAME@: an explainer, says when a latent fires, and predicts it on contexts that it has not
// seen.
//
// Change first: the formula below with explain() and predict(); then text(), which people read;
// then Options and schema().
//
// What holds for every explainer (saffron/explainer.h):
// - Examples are tokens int64 [N, T] and the latent's strengths there, 0 where it is inactive;
//   neither is always contiguous, and neither may be changed.
// - predict() gives a number a token, [N, T]; only their order counts: higher is more likely
//   active.
// - An explanation stands for itself: it keeps nothing of the examples but what it has learned,
//   and not their tokenizer, which may be null and may be gone later.
// - The same examples give the same explanation; draws come from Context::random() alone.
// - text() is valid UTF-8 and says something without the tokens in front of one.

#include <saffron/error.h>
#include <saffron/explainer.h>
#include <saffron/plugin.h>
#include <saffron/tokenizer.h>

#include <ATen/ops/empty.h>

#include <algorithm>
#include <iomanip>
#include <map>
#include <sstream>

namespace {

// The latent's mean strength at each token, shrunk towards 0 where a token is rare:
//
//   s(v) = sum of a_i over positions with token v  /  (number of such positions + prior)
//
// Predictions are s(token), 0 for tokens that are not in the examples. With prior = 0 it is the
// conditional mean given the token, which no other function of the token beats in squared error on
// the examples: the baseline of explanations that read contexts.
class @CLASS@ final : public saffron::Explainer {
 public:
  struct Options {
    double prior = 1;
    std::int64_t tokens = 5;
  };
  static auto schema() {
    return saffron::Schema<Options>{}
        .param("prior", &Options::prior, "positions of strength 0 added to each token",
               saffron::non_negative())
        .param("tokens", &Options::tokens, "strongest tokens that the text names",
               saffron::between(1, 1000));
  }
  explicit @CLASS@(const Options& options) : options_(options) {}

  std::unique_ptr<Explanation> explain(const saffron::LatentExamples& examples) override {
    if (examples.tokens.sizes() != examples.strengths.sizes()) {
      throw saffron::Error(saffron::cat("tokens are ", examples.tokens.sizes(), ", but strengths ",
                                        examples.strengths.sizes()))
          .within(examples.name);
    }
    const at::Tensor tokens = examples.tokens.to(at::kLong).contiguous();
    const at::Tensor strengths = examples.strengths.to(at::kDouble).contiguous();
    const auto* v = tokens.const_data_ptr<std::int64_t>();
    const auto* a = strengths.const_data_ptr<double>();
    std::map<std::int64_t, std::pair<double, double>> sums;  // token: strengths, positions
    for (std::int64_t i = 0; i < tokens.numel(); ++i) {
      auto& [sum, count] = sums[v[i]];
      sum += a[i];
      count += 1;
    }
    Means means;
    for (const auto& [token, sum] : sums) {
      means[token] = sum.first / (sum.second + options_.prior);
    }
    return std::make_unique<Unigram>(means, described(means, examples.tokenizer));
  }

 private:
  using Means = std::map<std::int64_t, double>;  // s(v), tokens in order

  class Unigram final : public Explanation {
   public:
    Unigram(Means means, std::string text) : means_(std::move(means)), text_(std::move(text)) {}
    std::string text() const override { return text_; }
    at::Tensor predict(const at::Tensor& tokens) const override {
      const at::Tensor ids = tokens.to(at::kLong).contiguous();
      const auto* v = ids.const_data_ptr<std::int64_t>();
      at::Tensor out = at::empty(ids.sizes(), at::kFloat);
      auto* to = out.mutable_data_ptr<float>();
      for (std::int64_t i = 0; i < ids.numel(); ++i) {
        const auto found = means_.find(v[i]);
        to[i] = found == means_.end() ? 0.f : static_cast<float>(found->second);
      }
      return out;
    }

   private:
    Means means_;
    std::string text_;
  };

  std::string described(const Means& means, const saffron::Tokenizer* tokenizer) const {
    std::vector<std::pair<std::int64_t, double>> order;
    for (const auto& mean : means) {
      if (mean.second > 0) order.push_back(mean);
    }
    if (order.empty()) return "never active in the examples";
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& x, const auto& y) { return x.second > y.second; });
    std::ostringstream text;
    text << "active at " << std::fixed << std::setprecision(2);
    const std::size_t shown = std::min(order.size(), static_cast<std::size_t>(options_.tokens));
    for (std::size_t i = 0; i < shown; ++i) {
      const auto id = static_cast<std::int32_t>(order[i].first);
      const std::string name = tokenizer != nullptr
                                   ? "'" + saffron::display_tokens(*tokenizer, {id})[0] + "'"
                                   : saffron::cat("token ", id);
      text << (i == 0 ? "" : ", ") << name << " (" << order[i].second << ")";
    }
    return text.str();
  }

  Options options_;
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "Mean strength at each token"))
