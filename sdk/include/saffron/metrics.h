#pragma once

#include <saffron/codes.h>

#include <ATen/core/Tensor.h>

#include <cstdint>

// The one definition of each metric that compares dictionaries and detectors.
//
// Dictionaries A [n, d] and B [m, d] have features as rows; rows need not have norm 1, a row of
// norm 0 has cosine 0 with everything. C = cos(A, B) [n, m]. Computed in float64 without gradients.
// `Sign::absolute` uses |cos|, for dictionaries whose signs are arbitrary (PCA, ICA, no ReLU).

namespace saffron::inline sdk_v1::metrics {

enum class Sign : std::uint8_t { signed_, absolute };

// C, or |C|: [n, m] float64. Error (invalid) unless both are matrices of one width.
[[nodiscard]] SAFFRON_EXPORT at::Tensor cosines(const at::Tensor& a, const at::Tensor& b,
                                                Sign sign = Sign::signed_);

// For each row of A its best partner in B. Error (invalid) where B has no rows.
struct BestMatch {
  at::Tensor cosine;   // [n] float64: max_j C[i, j]
  at::Tensor partner;  // [n] int64: the first j that reaches it
};
[[nodiscard]] SAFFRON_EXPORT BestMatch best_match(const at::Tensor& a, const at::Tensor& b,
                                                  Sign sign = Sign::signed_);
[[nodiscard]] SAFFRON_EXPORT BestMatch best_of_rows(const at::Tensor& cosines);  // from C itself

// Mean max cosine similarity from A to B, directional:  1/n sum_i max_j C[i, j],  in [-1, 1].
// (Sharkey, Braun, Millidge 2022.)  NaN for n = 0.
[[nodiscard]] SAFFRON_EXPORT double mmcs(const at::Tensor& a, const at::Tensor& b,
                                         Sign sign = Sign::signed_);

// Share of rows of A whose best cosine in B is above `threshold`; from best_match(a, b).cosine.
[[nodiscard]] SAFFRON_EXPORT double share_above(const at::Tensor& best, double threshold);

// The one-to-one assignment of the smaller dictionary's rows to the larger one's that maximises the
// sum of C (or |C|).
struct Matching {
  at::Tensor rows_a, rows_b;  // [min(n, m)] int64 each: the matched pairs
  at::Tensor cosine;          // [min(n, m)] float64: C (or |C|) of each pair
};
[[nodiscard]] SAFFRON_EXPORT Matching match(const at::Tensor& a, const at::Tensor& b,
                                            Sign sign = Sign::signed_);
[[nodiscard]] SAFFRON_EXPORT Matching match_pairs(const at::Tensor& cosines);  // from C itself

// Mean over the matched pairs. With Sign::absolute this is the MCC, mean |cos| under the assignment
// that minimises sum (1 - |cos|) (O'Neill et al. 2024); signed, the Hungarian MMCS. NaN without
// pairs.
[[nodiscard]] SAFFRON_EXPORT double mean_matched_cosine(const at::Tensor& a, const at::Tensor& b,
                                                        Sign sign);

// Share of distinct partners among A's rows under |cos|:  #{argmax_j |C[i, j]|} / n,  in (0, 1].
// A = learned latents, B = true features; 1 = every latent has a feature of its own. From
// best_match(a, b, Sign::absolute).partner; NaN without latents.
[[nodiscard]] SAFFRON_EXPORT double uniqueness(const at::Tensor& partner);

// How well each latent's firing detects the presence of one true feature. Counts over rows:
struct Detection {
  at::Tensor true_positive;  // [F] int64: latent fires and its feature is present
  at::Tensor fired;          // [F] int64: latent fires
  at::Tensor present;        // [F] int64: its feature is present
};
// The counts of one batch: latent f stands for feature partner[f] ([F] int64). A latent fires, and
// a feature is present, where the value is not 0. coefficients [B, G].
[[nodiscard]] SAFFRON_EXPORT Detection count_detections(const Codes& codes,
                                                        const at::Tensor& coefficients,
                                                        const at::Tensor& partner);

// Per latent, [F] float64:  precision = TP / fired,  recall = TP / present,
// F1 = 2 TP / (fired + present); each 0 where its denominator is (a dead latent scores 0), as in
// the definition that averages over all latents (SynthSAEBench, arXiv 2602.14687).
struct DetectionScores {
  at::Tensor precision, recall, f1;
};
[[nodiscard]] SAFFRON_EXPORT DetectionScores detection_scores(const Detection& counts);

}  // namespace saffron::inline sdk_v1::metrics
