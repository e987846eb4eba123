#pragma once

#include <saffron/comparator.h>
#include <saffron/schema.h>
#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// What comparators of tabular rewards share: everything but the canonicalisation itself.
//
// A canonicalisation c maps a reward R[s, a, s'] to a representative of those that differ from it
// in what a comparison should not see. Distances are then taken between standardised rewards
// (STARC: Skalse et al. 2024, "A framework for quantifying differences between reward functions"):
//
//   s(R) = c(R) / n(c(R)),  or 0 where n(c(R)) = 0         d(R1, R2) = m(s(R1) - s(R2))
//
// All in float64. Functions here may be called from several threads at once.

namespace saffron::inline sdk_v1::rewards {

// Over all S * A * S transitions, tau = P(s' | s, a):
//   one, two, inf        (sum |x|^p)^(1/p), max |x|
//   weighted_one, _two   (sum tau |x|^p)^(1/p)       zero on impossible transitions: a seminorm
//   weighted_inf         max (tau |x|)
enum class Norm : std::uint8_t { none, one, two, inf, weighted_one, weighted_two, weighted_inf };

// One way to measure a distance between two canonical rewards x and y.
struct SAFFRON_EXPORT Measure {
  enum class Kind : std::uint8_t {
    norms,              // "n-m": m(x / n(x) - y / n(y))
    angle,              // "angle": between x and y as vectors, in [0, pi]; pi / 2 when one is 0
    weighted_angle,     // "weighted_angle": with the inner product sum tau x y
    pearson_uniform,    // "pearson-uniform": sqrt((1 - rho) / 2), (s, a, s') ~ D_S x D_A x D_S
    pearson_reachable,  // "pearson-reachable": the same, (s, a, s') ~ D_S x D_A x tau
  };
  Kind kind = Kind::norms;
  Norm normalise = Norm::two, distance = Norm::two;

  [[nodiscard]] std::string text() const;        // "2-2", "0-weighted_inf", "angle"
  [[nodiscard]] std::string definition() const;  // the formula in a line
  [[nodiscard]] bool pearson() const;
  [[nodiscard]] bool weighted() const;  // uses tau beside the canonical rewards
  // d(c R1, R2) = d(R1, R2) for c > 0.
  [[nodiscard]] bool scale_invariant() const;
  friend bool operator==(const Measure&, const Measure&) = default;
};

// Throws Error naming what is wrong; "none" may be written for "0", no normalisation. `pearson`:
// whether the help offers correlations.
[[nodiscard]] SAFFRON_EXPORT Measure parse_measure(std::string_view text, bool pearson = true);
// A component's option: "all" stands for the 7 x 6 pairs of norms and both angles. Throws Error
// when one is listed twice or beside "all", or is a Pearson distance where `pearson` is false.
[[nodiscard]] SAFFRON_EXPORT std::vector<Measure> parse_measures(
    const std::vector<std::string>& texts, bool pearson);
// What is wrong with a component's list of words, none of which may stand twice, or "".
[[nodiscard]] SAFFRON_EXPORT std::string check_distinct(const char* option,
                                                        const std::vector<std::string>& words);
// parse_measures as a rule of a schema: "" or what is wrong.
[[nodiscard]] SAFFRON_EXPORT std::string check_measures(const std::vector<std::string>& texts,
                                                        bool pearson);
// What the option `pairs` of such a component means.
[[nodiscard]] SAFFRON_EXPORT const char* measures_doc(bool pearson);

// A schema with that option, std::vector<std::string> Options::pairs.
template <class Options>
[[nodiscard]] Schema<Options> measures_schema(bool pearson) {
  return Schema<Options>{}
      .param("pairs", &Options::pairs, measures_doc(pearson))
      .check([pearson](const Options& o) { return check_measures(o.pairs, pearson); });
}

// ---- the world ----------------------------------------------------------------------------------

// The world as a tabular one, or one with dense transitions; throws Error, naming the comparator and
// the way out, when it is none. `why` is what the comparator needs impossible transitions for: "the
// rewards of impossible transitions".
[[nodiscard]] SAFFRON_EXPORT const TabularWorld& tabular(const World& world,
                                                         std::string_view comparator);
[[nodiscard]] SAFFRON_EXPORT const TabularWorld& dense_tabular(
    const World& world, std::string_view comparator,
    std::string_view why = "the rewards of impossible transitions");
// Which states some policy reaches from mu0: bool [S].
[[nodiscard]] SAFFRON_EXPORT at::Tensor reachable_states(const TabularWorld& world);
// Whose rewards are in some policy's return: bool [S]. With a discount of 0 only the first step counts.
[[nodiscard]] SAFFRON_EXPORT at::Tensor counted_states(const TabularWorld& world);
// Rewards less a constant each, `offset` [R], where both are exact and no policy's advantage sees it: in
// worlds whose episodes do not end, of rewards that happen with values from c to 2 c, the constant c,
// which would be multiplied by 1 / (1 - gamma). Else as they are.
struct SAFFRON_EXPORT Levelled {
  at::Tensor rewards, offset;
  at::Tensor sizes;  // |rewards|, and what c's rounding is kRounding of
  explicit Levelled(const TabularWorld& world);
};
// sum_s' tau[s, a, s'] R[s, a, s'] of rewards [R, S, A, S]: [R, S, A].
[[nodiscard]] SAFFRON_EXPORT at::Tensor expected_rewards(const at::Tensor& tau,
                                                         const at::Tensor& rewards);

// V = (I - gamma T)^-1 r of a fixed policy, T[s, s'] = sum_a pi(a | s) tau[s, a, s'],
// r[s] = sum_a pi(a | s) rbar[s, a]: one factorisation for all rewards, one step of refinement.
class SAFFRON_EXPORT PolicyEvaluation {
 public:
  explicit PolicyEvaluation(const TabularWorld& world);
  // With another discount in [0, 1) than the world's, and another policy [S, A].
  PolicyEvaluation(const TabularWorld& world, double discount);
  PolicyEvaluation(const TabularWorld& world, double discount, at::Tensor policy);
  // [R, S, A] -> [R, S]; infinite where V overflows. Error (numeric) when gamma is too close to 1.
  [[nodiscard]] at::Tensor values(const at::Tensor& expected_rewards) const;
  // The same of r: [S, N] -> [S, N].
  [[nodiscard]] at::Tensor solve(const at::Tensor& r) const;

 private:
  at::Tensor policy_, system_, lu_, pivots_;
  double gamma_;
};

// What no potential explains of expected rewards r [R, S, A]. Shaping by Phi adds P Phi to them,
// P[(s, a), j] = gamma tau[s, a, j] - 1{j = s}, and
//
//   r* = r + P Phi*,   Phi* = argmin sum_sa kappa(s, a) (r + P Phi)(s, a)^2
//
// by a QR factorisation of sqrt(kappa) P that all rewards share. Where (s, a) has no successors, in
// terminal states, r and kappa count as 0 and so does Phi: episodes end with potential 0.
class SAFFRON_EXPORT ShapingProjection {
 public:
  // tau [S, A, S]; kappa [S, A], positive wherever there are successors.
  ShapingProjection(const at::Tensor& tau, double gamma, const at::Tensor& kappa);
  [[nodiscard]] at::Tensor residual(const at::Tensor& r) const;  // r*
  // Like r*: the sums that yield it with the absolute value of every term, `size` being that of r.
  [[nodiscard]] at::Tensor scale(const at::Tensor& r, const at::Tensor& size) const;
  // What rounding may leave in the largest entry of r* where nothing should be left: [R]. It is
  // kRounding times the largest `size`, and the largest term of P Phi*, which exceeds those of r where
  // a small reward per step adds up to a large potential.
  [[nodiscard]] at::Tensor noise(const at::Tensor& r, const at::Tensor& size) const;

 private:
  [[nodiscard]] at::Tensor explained(const at::Tensor& y) const;
  at::Tensor q_, root_, live_;  // [SA, S]; sqrt(kappa) and whether there are successors [SA]
  at::Tensor triangle_;         // [S, S]
  double gamma_;
};

// ---- norms --------------------------------------------------------------------------------------

// What the N entries of a canonical reward stand for: one transition each, or, where the reward is
// constant in s', the S transitions of one (s, a).
struct SAFFRON_EXPORT Cells {
  at::Tensor count;  // [N] transitions of a cell
  at::Tensor mass;   // [N] sum of their tau
  at::Tensor peak;   // [N] the largest of their tau

  [[nodiscard]] static Cells of(const at::Tensor& tau, bool constant_in_successor);
};

// Of each row of x [..., N]: [...].
[[nodiscard]] SAFFRON_EXPORT at::Tensor norm(Norm kind, const at::Tensor& x, const Cells& cells);
// The largest m(x) over all x with n(x) = 1; infinite where n is 0 and m is not. Neither is none.
[[nodiscard]] SAFFRON_EXPORT double largest_ratio(Norm n, Norm m, const Cells& cells);

// ---- distances ----------------------------------------------------------------------------------

struct SAFFRON_EXPORT Canonical {
  std::string name;   // "VAL"
  at::Tensor values;  // float64 [R, S, A, S], or [R, S, A, 1] where constant in s'
  // Like values: the sums that yield them, with the absolute value of every term. A canonical
  // reward whose norm is below kZero times that of its scale is rounding noise, and taken as 0.
  at::Tensor scale;
  // Of a form that knows its rounding: of each reward the largest entry of what shaping does not
  // explain, and how much of it may be rounding [R]. Otherwise undefined.
  at::Tensor size = {}, noise = {};
};

inline constexpr double kZero = 1e-10;
inline constexpr double kRounding = 1e-13;  // some hundred units in the last place

// A canonical form that knows its rounding. Forms that are no more than that become 0, for all norms
// alike; of the others every entry counts.
[[nodiscard]] SAFFRON_EXPORT Canonical settled(std::string name, at::Tensor values, at::Tensor size,
                                               at::Tensor noise);
// Of a form that knows it: "reward 'x' is nearly all potential shaping: ...", where fewer than three
// digits are certain.
[[nodiscard]] SAFFRON_EXPORT std::vector<std::string> uncertain(
    const Canonical& form, const std::vector<std::string>& names);
// The same of the largest entries and noises [R] of a form's rewards.
[[nodiscard]] SAFFRON_EXPORT std::vector<std::string> uncertain_digits(
    std::string_view form, const at::Tensor& size, const at::Tensor& noise,
    const std::vector<std::string>& names);

// "rounding leaves open which policies are optimal for reward 'x': those taken for optimal may lose ...",
// said where that is at least kSureReturns of its range.
inline constexpr double kSureReturns = 1e-3;
[[nodiscard]] SAFFRON_EXPORT std::string open_optima(std::string_view reward, double lost);

// "MinimalPotential_L2": R + gamma Phi(s') - Phi(s) of the least mean square over D_S x D_A x D_S,
// which is free of all shaping, also at terminal states. With m(s) = E[R(s, A, S')],
// n(s') = E[R(S, A, s')] and u = (m - gamma n) / (1 + gamma^2), it is
//
//   R(s, a, s') + gamma u(s') - u(s) - 2 gamma E[m] / (1 + gamma^2)
//
// Where D_S(s) = 0 the mean square leaves Phi(s) open: the formula, which needs no D_S(s), decides.
[[nodiscard]] SAFFRON_EXPORT Canonical minimal_potential_form(const TabularWorld& world);

// Error (numeric), naming the reward, when a canonical reward is not finite.
SAFFRON_EXPORT void require_finite(const Canonical& canonical,
                                   const std::vector<std::string>& names);
// x / norm(x) of each row of x [R, N], or 0 where the norm is at most kZero times that of scale. Without
// overflow where entries are finite.
[[nodiscard]] SAFFRON_EXPORT at::Tensor standardise(Norm kind, const at::Tensor& x,
                                                    const at::Tensor& scale, const Cells& cells);

// D_S x D_A x D_S or, if `reachable`, D_S x D_A x tau, divided by its sum: [S, A, S]; undefined
// where it is 0 everywhere.
[[nodiscard]] SAFFRON_EXPORT at::Tensor coverage(const TabularWorld& world, bool reachable);

// The symmetric matrix [R, R] of d(row i, the rows j > i [R - i - 1, N]) over rows of x [R, N], 0 on
// the diagonal.
[[nodiscard]] SAFFRON_EXPORT at::Tensor pairwise(
    const at::Tensor& x, const std::function<at::Tensor(const at::Tensor&, const at::Tensor&)>& d);

// Makes NaN of all cells, `count` rewards, for this reason; or of the cells of those rewards that
// are `undefined`, bool [R], each for its own.
SAFFRON_EXPORT void leave_undefined(PairMatrix& out, std::int64_t count, const std::string& reason);
SAFFRON_EXPORT void leave_undefined(PairMatrix& out, const at::Tensor& undefined,
                                    const std::vector<std::string>& reasons);
inline constexpr const char* kNoCoverage =
    "no transition is covered: D_S x D_A x tau is 0 everywhere";

// sqrt((1 - rho) / 2) of the rows of x [R, N] under weights [N] of sum 1, or undefined weights; x
// and scale as in Canonical, `form` its name.
SAFFRON_EXPORT void correlate(PairMatrix& out, const at::Tensor& x, const at::Tensor& scale,
                              const at::Tensor& weight, std::string_view form,
                              const std::vector<std::string>& names);

// Distances between the rewards of one canonical form. The norms of a difference are taken together, in
// one pass over the cells a pair and a normalisation; where there are many rewards, 2-norms and
// what is made of them come from one product of all forms, but for pairs that are too close for it.
class SAFFRON_EXPORT Distances {
 public:
  // `names` are the rewards'. Throws as require_finite.
  Distances(const TabularWorld& world, Canonical canonical, std::vector<std::string> names,
            std::vector<Measure> measures);
  // Of a form [R, N] in cells of its own, without correlations.
  Distances(Canonical canonical, std::vector<std::string> names, std::vector<Measure> measures,
            Cells cells);

  [[nodiscard]] const std::vector<Measure>& measures() const;
  // Of all pairs, in the measures' order: key "VAL/2-2"; NaN and the reason where undefined.
  [[nodiscard]] std::vector<PairMatrix> matrices() const;
  // Of rewards i and j, in the measures' order; NaN where undefined. Thread-safe.
  [[nodiscard]] std::vector<double> between(std::int64_t i, std::int64_t j) const;
  // What each state adds to the square of "2-2" between rewards i and j, as a share of it: [S]; zeros
  // where the two are 0 apart, [0] of a form in cells of its own.
  [[nodiscard]] at::Tensor state_shares(std::int64_t i, std::int64_t j) const;
  // What follows from the measure alone: metric, range, pseudometric, invariance to scaling. The
  // upper end of the range is a bound that mixed norms need not attain.
  [[nodiscard]] Certificate certificate(const Measure& measure) const;
  // Rewards whose canonical form is 0.
  [[nodiscard]] std::vector<std::string> trivial() const;
  // Rewards whose form is so close to 0 that float64 holds fewer digits of it.
  [[nodiscard]] std::vector<std::string> faint() const;

 private:
  class Parts;
  std::shared_ptr<const Parts> parts_;
};

// Capability of a comparator of tabular worlds: the canonical forms that it measures between, and how.
// Thread-safe.
class SAFFRON_EXPORT Canonicaliser {
 public:
  virtual ~Canonicaliser();
  [[nodiscard]] virtual std::vector<Canonical> forms(const TabularWorld& world) const = 0;
  [[nodiscard]] virtual std::vector<Measure> measures() const = 0;
};

// ---- comparisons --------------------------------------------------------------------------------

// What a canonicalisation promises beside what follows from the measure.
using Certify = std::function<void(const Measure&, Certificate&)>;

// What a form removes of potential shaping gamma Phi(s') - Phi(s): none; where Phi is 0 in terminal
// states, as episodes end there with nothing more to earn; or any, as if episodes never ended.
enum class Shaping : std::uint8_t { none, ending, unending };
// Adds to a certificate how this is spelled in a world, and what follows from it where episodes end.
SAFFRON_EXPORT void claim_shaping(const TabularWorld& world, Shaping removed, Certificate& out);
// Adds a sentence to a certificate's caveat.
SAFFRON_EXPORT void add_caveat(Certificate& out, std::string_view sentence);
// What certificates of distances need that weigh transitions by D_S x D_A, or actions by D_A alone.
inline constexpr const char* kCoverage = "D_S and D_A";
inline constexpr const char* kActions = "D_A";
// Warns of a comparison whose certificates need them where they are 0 and policies go all the same.
SAFFRON_EXPORT void warn_of_coverage(Comparison& out, const TabularWorld& world);
// Warns of a comparison that sees rewards of states on which no policy's return depends, and names them.
SAFFRON_EXPORT void warn_of_unreached(Comparison& out, const TabularWorld& world);
// Says of a complete distance what it does not promise where reward 1 is one of these.
SAFFRON_EXPORT void except_trivial(const std::vector<std::string>& trivial, Certificate& out);

// Of a STARC canonicalisation, linear with potential shaping and S'-redistribution as its kernel:
// sound and complete where all states count. Where some do not, rewards there can be nearly all of two
// forms, and bring them near each other whatever policies earn elsewhere.
[[nodiscard]] SAFFRON_EXPORT Certify starc_claims(const TabularWorld& world,
                                                  std::vector<std::string> needs);

// Of one that keeps more than policies see: how a reward is spread over next states; potential
// shaping as far as it is not `removed`; and, if the form of one transition depends on the rewards of
// others that cannot happen (`reads_impossible`), these also where possible ones alone are measured.
[[nodiscard]] SAFFRON_EXPORT Certify reward_claims(const TabularWorld& world,
                                                   std::vector<std::string> needs, Shaping removed,
                                                   bool reads_impossible);

// Every form's matrices and certificates, by every measure; of rewards whose form is 0 what they are:
// "reward 'x' is potential shaping alone"; and where "2-2" is measured, the states that carry it.
[[nodiscard]] SAFFRON_EXPORT Comparison compare_forms(const Canonicaliser& by,
                                                      const TabularWorld& world,
                                                      const std::vector<std::string>& names,
                                                      const Certify& certify,
                                                      std::string_view trivial);

// One form's part of that.
SAFFRON_EXPORT void add_form(Comparison& out, const Canonical& form, const Distances& distances,
                             const std::vector<std::string>& names, const Certify& certify,
                             std::string_view trivial);

// What a form of 0 says of a reward.
inline constexpr const char* kTrivial =
    "is trivial up to rounding: no policy beats another by more than that";
inline constexpr const char* kShapingAlone = "is potential shaping alone";

}  // namespace saffron::inline sdk_v1::rewards
