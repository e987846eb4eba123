#include "framework/run/compare_report.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

namespace saffron::host {
namespace {

constexpr double kRounding = 1e-12;

// Whether a matrix says the same of (a, b) as of (b, a) up to rounding, also where it says nothing.
bool symmetric(const at::Tensor& x) {
  return at::allclose(x, x.t(), kRounding, kRounding, /*equal_nan=*/true);
}

// A heat map's colours span what its cells do: where nothing is more than rounding, they would show that.
at::Tensor without_rounding(const PairMatrix& matrix,
                            const std::vector<Certificate>& certificates) {
  const auto of = std::ranges::find(certificates, matrix.key, &Certificate::metric);
  const bool bounded = of != certificates.end() && std::isfinite(of->high);
  const at::Tensor values = matrix.values.contiguous();
  return bounded ? at::where(values.abs() <= kRounding * of->high, 0.0, values) : values;
}

Block matrix_block(const PairMatrix& matrix, const std::vector<Certificate>& certificates,
                   const std::vector<std::string>& rewards) {
  MatrixBlock body;
  body.row_labels = body.column_labels = rewards;
  body.value_label = matrix.key;
  const at::Tensor values = without_rounding(matrix, certificates);
  const double* p = values.const_data_ptr<double>();
  body.cells.assign(p, p + values.numel());
  std::string caption = matrix.definition;
  if (!symmetric(matrix.values)) {
    caption += cat(caption.empty() ? "" : ". ", "Rows are reward 1, columns reward 2.");
  }
  return {.title = matrix.key, .caption = std::move(caption), .body = std::move(body)};
}

const PairMatrix* find(const std::vector<PairMatrix>& metrics, const std::string& key) {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const PairMatrix& matrix) { return matrix.key == key; });
  return found == metrics.end() ? nullptr : &*found;
}

// Ends of another metric's interval, `key/low` and `key/high`, share a table instead of heat maps.
bool is_interval_end(const std::string& key, const std::vector<PairMatrix>& metrics) {
  return std::any_of(metrics.begin(), metrics.end(), [&](const PairMatrix& other) {
    return key == other.key + "/low" || key == other.key + "/high";
  });
}

void add_intervals(const PairMatrix& value, const PairMatrix& low, const PairMatrix& high,
                   const std::vector<std::string>& rewards, TableBlock& out) {
  const auto count = static_cast<std::int64_t>(rewards.size());
  const bool once = symmetric(value.values) && symmetric(low.values) && symmetric(high.values);
  for (std::int64_t a = 0; a < count; ++a) {
    for (std::int64_t b = once ? a + 1 : 0; b < count; ++b) {
      if (a == b) continue;
      std::vector<Value> row = {Value(value.key), Value(rewards[static_cast<std::size_t>(a)]),
                                Value(rewards[static_cast<std::size_t>(b)])};
      for (const PairMatrix* of : {&value, &low, &high}) {
        const auto x = of->values[a][b].item<double>();
        row.push_back(std::isfinite(x) ? Value(x) : Value());
      }
      out.rows.push_back(std::move(row));
    }
  }
}

std::optional<Block> intervals_block(const std::vector<PairMatrix>& metrics,
                                     const std::vector<std::string>& rewards) {
  TableBlock table;
  std::string caption;
  for (const PairMatrix& matrix : metrics) {
    const PairMatrix* low = find(metrics, matrix.key + "/low");
    const PairMatrix* high = find(metrics, matrix.key + "/high");
    if (low == nullptr || high == nullptr) continue;
    if (caption.empty())
      caption = cat("Each like the first one: ", low->definition,
                    ". Blank: there is none; results.json says why.");
    add_intervals(matrix, *low, *high, rewards, table);
  }
  if (table.rows.empty()) return std::nullopt;
  table.columns = {{"metric", "", ""},
                   {"a", "", "reward 1"},
                   {"b", "", "reward 2"},
                   {"value", "", ""},
                   {"low", "", "lower end of the interval"},
                   {"high", "", "its upper end"}};
  return Block{.title = "Intervals", .caption = caption, .body = std::move(table)};
}

std::string listed(const char* before, const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? before : ", ") + word;
  return text;
}

std::string in_words(const Certificate& c) {
  std::string text = cat(c.metric, ": in [", c.low, ", ", c.high, std::isinf(c.high) ? ")" : "]",
                         c.pseudometric ? ", a pseudometric" : ", no pseudometric",
                         c.sound ? "; it bounds worst-case regret" : "; it does not bound regret");
  if (c.sound && c.U) text += cat(" (regret <= ", *c.U, " times the distance)");
  if (c.complete) text += "; large distances mean that large regret is possible";
  if (c.complete && c.L) text += cat(" (regret >= ", *c.L, " times the distance)");
  text += listed(". Blind to ", c.invariant_to) + listed(". Needs ", c.needs) + ".";
  if (!c.covers.empty()) text += " Covers " + c.covers + ".";
  if (!c.caveat.empty()) text += " " + c.caveat;
  return text;
}

// ---- terms --------------------------------------------------------------------------------------

struct Term {
  const char* word;  // as it stands in definitions and certificates, in small letters
  const char* shown;
  const char* meaning;
};

constexpr Term kTerms[] = {
    {"starc", "STARC", "a distance of canonical forms that are divided by a norm"},
    {"canonical", "canonical form",
     "what is compared of a reward: most take its potential shaping out by a fixed rule, which "
     "gives the distance its name; None takes nothing out"},
    {"advantage", "advantage", "how much better an action is than what the policy does"},
    {"regret", "worst-case regret",
     "someone goes from one policy to another that reward 2 likes no less: the most that this can "
     "cost of reward 1, as a share of what lies between its best and its worst policy; 0 is "
     "nothing, 1 is everything"},
    {"range", "range", "the best policy's return less the worst one's"},
    {"j1(", "J1(pi), J2(pi)",
     "return: what policy pi earns by reward 1 and by reward 2 from the start, expected and "
     "discounted"},
    {"pi_i optimal", "pi_1, pi_2", "the policies that earn most by reward 1 and by reward 2"},
    {"pi_ref exp", "pi_1, pi_2",
     "policies that give responses in proportion to pi_ref exp(score / beta), pi_ref being the "
     "reference policy or all alike: best under a penalty of beta times their divergence from it"},
    {"pseudometric", "pseudometric",
     "alike in both directions, 0 from a reward to itself, and no shorter by a detour over a third "
     "one; 0 between two rewards need not mean that they are equal"},
    {"positive scaling", "positive scaling", "a reward times a positive number"},
    {"s'-redistribution", "S'-redistribution",
     "other rewards for the states that an action may lead to, of the same mean: no policy's "
     "return changes"},
    {"d_a", "D_S, D_A",
     "how often states and actions count in a mean: as the world says or all alike, or, of "
     "samples, as often as they were drawn"},
    {" tau", "tau", "tau(s' | s, a): the probability that action a leads from state s to s'"},
    {"mu0", "mu0", "where episodes start"},
    {"rho", "rho", "Pearson's correlation"},
    {"(p - q)", "P, Q, T1, T2",
     "pairs of responses that both models order alike; in opposite ways; and that model 1, and "
     "model 2, do not score alike"},
    {"bernoulli(", "Bernoulli(p)", "one of two, the first with probability p"},
    {"kl(", "KL", "Kullback-Leibler divergence, in nats"},
    {"sigma(", "sigma(x)",
     "1 / (1 + exp(-x)): the probability that a response is preferred to one that scores x less"},
};

constexpr const char* kShapingOfStates =
    "a bonus for going to better states and a fine for leaving them, gamma Phi(s') - Phi(s) for "
    "some Phi, gamma being the discount: over an episode it sums to the same for all policies, and "
    "changes no choice between them";
constexpr const char* kShapingOfResponses =
    "a number added to all responses of a prompt: it changes no choice between them";

// "VAL/2-2", "LS_minimal/2-2/replicates".
bool names_norms(const PairMatrix& matrix) {
  const std::size_t slash = matrix.key.find('/');
  if (slash == std::string::npos) return false;
  const std::string measure = matrix.key.substr(slash + 1);
  try {
    return rewards::parse_measure(measure.substr(0, measure.find('/'))).kind ==
           rewards::Measure::Kind::norms;
  } catch (const Error&) {  // another comparator's own name
    return false;
  }
}

std::optional<Block> terms_block(const Comparison& comparison, const std::string& words) {
  std::string text = words;
  for (const PairMatrix& matrix : comparison.metrics) text += " " + matrix.definition;
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  TableBlock table;
  table.columns = {{"term", "", ""}, {"meaning", "", ""}};
  const auto add = [&](const char* term, const char* meaning) {
    table.rows.push_back({Value(term), Value(meaning)});
  };
  if (std::ranges::any_of(comparison.metrics, names_norms)) {
    add("FORM/n-m",
        "rewards are brought into the canonical form FORM and divided by their n-norm, 0 for "
        "nothing; the m-norm of the difference is the distance");
    add("norm",
        "of all transitions that count: 1 the sum of sizes, 2 the root of the sum of squares, inf "
        "the largest; weighted ones weigh a transition by its probability");
  }
  if (text.find("potential") != std::string::npos) {
    const bool of_responses = text.find("response") != std::string::npos;
    add("potential shaping", of_responses ? kShapingOfResponses : kShapingOfStates);
  }
  for (const Term& term : kTerms) {
    if (text.find(term.word) != std::string::npos) add(term.shown, term.meaning);
  }
  if (table.rows.empty()) return std::nullopt;
  return Block{.title = "Terms", .caption = "", .body = std::move(table)};
}

}  // namespace

std::vector<Block> comparison_blocks(const Comparison& comparison,
                                     const std::vector<std::string>& rewards,
                                     const std::string& about) {
  std::vector<Block> out;
  for (const PairMatrix& matrix : comparison.metrics) {
    if (is_interval_end(matrix.key, comparison.metrics)) continue;
    out.push_back(matrix_block(matrix, comparison.certificates, rewards));
  }
  if (auto block = intervals_block(comparison.metrics, rewards)) out.push_back(std::move(*block));
  std::string words = about;
  const auto say = [&](const std::string& text) { words += (words.empty() ? "" : "\n\n") + text; };
  for (const Certificate& c : comparison.certificates) {
    if (!is_interval_end(c.metric, comparison.metrics)) say(in_words(c));
  }
  for (const std::string& warning : comparison.degenerate) say(warning);
  if (!words.empty()) {
    out.push_back(
        {.title = "What these distances promise", .caption = "", .body = TextBlock{words}});
  }
  if (auto block = terms_block(comparison, words)) out.push_back(std::move(*block));
  return out;
}

}  // namespace saffron::host
