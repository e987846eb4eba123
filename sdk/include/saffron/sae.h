#pragma once

#include <saffron/codes.h>
#include <saffron/random.h>
#include <saffron/schema.h>
#include <saffron/source.h>
#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

// ---- what an SAE declares ---------------------------------------------------------------------

enum class Role : std::uint8_t {
  encoder,
  decoder,
  encoder_bias,
  decoder_bias,
  threshold,
  gate,
  scale,
  skip,
  other
};

// Held by the host after every optimiser step.
enum class Constraint : std::uint8_t {
  none,
  unit_rows,     // every row has norm 1; the gradient's component along the row is removed first
  non_negative,  // clamped at 0
};

// A trained tensor. Matrices over latents have the latents first: W_enc and W_dec are [F, d], so a
// latent's weights are one contiguous row.
struct ParameterSpec {
  std::string name;  // "W_enc"
  std::vector<std::int64_t> shape;
  Role role = Role::other;
  Constraint constraint = Constraint::none;
  bool per_latent = false;  // dimension 0 runs over the latents
  bool frozen = false;      // kept, saved and shown, never stepped
};

// How ranks combine a buffer after each step.
enum class Merge : std::uint8_t { same, sum, mean, max };

// A tensor that is not trained: firing counts, running thresholds, means.
struct BufferSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  at::ScalarType dtype = at::kFloat;
  Merge merge = Merge::same;
  double initial = 0;
  bool per_latent = false;
};

struct SaeSpec {
  std::int64_t latents = 0;  // of each code space
  std::int64_t spaces = 1;   // code spaces: several for cross-layer kinds
  Codes::Layout layout = Codes::Layout::dense;
  std::optional<std::int64_t> max_active;  // an L0 bound that always holds, if there is one
  std::vector<ParameterSpec> parameters;
  std::vector<BufferSpec> buffers;
  bool graph_safe = false;  // a step never synchronises with the host
};

// The streams that an SAE reads and those that it predicts, one target each. A plain autoencoder
// predicts what it reads.
struct SaeShape {
  std::vector<StreamInfo> reads, predicts;
};

// ---- one step -----------------------------------------------------------------------------------

struct SaeInput {
  std::vector<at::Tensor> inputs;   // [B, d_in] each, as SaeShape::reads
  std::vector<at::Tensor> targets;  // [B, d_out] each, as SaeShape::predicts
  std::int64_t step = 0;            // of this run, from 0
  std::int64_t steps = 0;           // in all
  std::int64_t rows_seen = 0;       // before this batch
  // Squared error, summed over d and averaged over rows = objective_scale * the objective's loss
  // (objective.h; 1 where it has no such scale). An SAE's own terms that are squared errors are
  // divided by it, so that they weigh the same beside every spelling of the objective.
  double objective_scale = 1;
  Random random{0};  // of this SAE and step

  // min(1, step / (share steps)): what a coefficient is multiplied by that rises evenly from 0 over
  // that share of the steps; 1 for share 0.
  [[nodiscard]] SAFFRON_EXPORT double rise(double share) const;
};

// What forward yields. Objectives and regularizers are differentiated on detached leaves of
// `codes[i].values()` and `reconstructions[i]`; those gradients come back through Upstream.
struct Forward {
  std::vector<Codes> codes;                 // one a code space (one, but for cross-layer kinds)
  std::vector<at::Tensor> reconstructions;  // [B, d_out], one a target
  // The architecture's own terms of the loss (AuxK, a gate's auxiliary path), for logs: unweighted
  // value and weight. Their gradients are backward's own business.
  struct Term {
    std::string name;
    at::Tensor value;  // scalar, detached
    double weight = 1;
  };
  std::vector<Term> terms;
  at::Tensor loss;  // autograd SAEs: sum of weight * value, with its graph; else undefined
};

// d loss / d leaf, undefined where nothing depends on the leaf.
struct Upstream {
  std::vector<at::Tensor> codes;            // shape of codes[i].values()
  std::vector<at::Tensor> reconstructions;  // [B, d_out]
};

// A weight gradient that is kept factored until the optimiser's pass forms it row by row:
//
//   dW[i, :] = sum over entries e of `support` with latent i of  coefficients_e * rows[row(e), :]
//
// Costs O(B k d) instead of O(F B d). Decoder: coefficients = values, rows = d loss / d xhat.
// Encoder: coefficients = d loss / d pre-activation, rows = inputs.
struct FactoredGradient {
  Codes support;    // topk or csr; its values are the coefficients
  at::Tensor rows;  // [B, d]
};

struct SAFFRON_EXPORT Gradient {
  at::Tensor dense;                        // the parameter's shape, or undefined
  std::vector<FactoredGradient> factored;  // summed with it; matrices over latents only

  void add_dense(const at::Tensor& value);  // of the parameter's shape; may keep it
};

// Gradients by parameter name; a parameter that is never set has gradient 0.
class SAFFRON_EXPORT Gradients {
 public:
  Gradient& operator[](std::string_view name);
  [[nodiscard]] const Gradient* find(std::string_view name) const;
  void clear();
  [[nodiscard]] auto begin() const { return entries_.begin(); }
  [[nodiscard]] auto end() const { return entries_.end(); }

 private:
  std::vector<std::pair<std::string, Gradient>> entries_;
};

struct InitInput {
  Random random;
  // Training rows for data-dependent initialisation, made when first asked for: one tensor
  // [rows, d] a read stream (and a predicted one), the first rows that training will see.
  std::function<const ActivationRows&()> sample;
};

// ---- the interface --------------------------------------------------------------------------------

// A sparse autoencoder: codes f and reconstructions xhat of activations x.
//
// The host owns the parameters: declare() says what they are, the host allocates values, gradients
// and optimiser moments (stacked for grids) and hands views to bind(); the SAE computes. So
// checkpoints, the optimiser, stacking, CUDA graphs and data parallelism are not a plugin's business.
//
// Order of calls: declare, bind, initialise (or a checkpoint's values), then any number of
//   forward, backward, (the host's optimiser and constraints), after_step      [training]
//   encode, decode                                                             [any time]
// bind may be called again, when the host moves the tensors. [host thread; parallel inside]
class SAFFRON_EXPORT Sae {
 public:
  static constexpr const char* kKind = "sae";
  static constexpr const char* kInterface = "saffron.sae/1";
  using Interface = Sae;

  Sae() = default;
  Sae(const Sae&) = delete;
  Sae& operator=(const Sae&) = delete;
  virtual ~Sae();

  // Pure: called by `saffron check`, with nothing else. Error (invalid) for shapes it cannot take.
  [[nodiscard]] virtual SaeSpec declare(const SaeShape& shape) = 0;
  virtual void bind(const Tensors& parameters, const Tensors& buffers) = 0;
  // Fills every parameter in place.
  virtual void initialise(const InitInput& init) = 0;

  // Without gradients. inputs as SaeShape::reads; codes one a code space.
  [[nodiscard]] virtual std::vector<Codes> encode(const std::vector<at::Tensor>& inputs) const = 0;
  [[nodiscard]] virtual std::vector<at::Tensor> decode(const std::vector<Codes>& codes) const = 0;

  [[nodiscard]] virtual Forward forward(const SaeInput& input) = 0;
  // Adds the gradients of upstream and of the SAE's own terms to `gradients`.
  virtual void backward(const SaeInput& input, const Forward& forward, const Upstream& upstream,
                        Gradients& gradients) = 0;
  // After the optimiser and the constraints: running thresholds, firing statistics.
  virtual void after_step(const SaeInput& input, const Forward& forward);
};

// One stream in, one target out, written with plain LibTorch ops: autograd does the backward pass.
// Implement the four hooks; parameters are read with p("W_enc"), buffers with buffer("last_fired").
class SAFFRON_EXPORT SimpleSae : public Sae {
 public:
  ~SimpleSae() override;
  SaeSpec declare(const SaeShape& shape) final;
  void bind(const Tensors& parameters, const Tensors& buffers) final;
  [[nodiscard]] std::vector<Codes> encode(const std::vector<at::Tensor>& inputs) const final;
  [[nodiscard]] std::vector<at::Tensor> decode(const std::vector<Codes>& codes) const final;
  [[nodiscard]] Forward forward(const SaeInput& input) final;
  void backward(const SaeInput& input, const Forward& forward, const Upstream& upstream,
                Gradients& gradients) final;

 protected:
  [[nodiscard]] virtual SaeSpec declare_simple(std::int64_t d_in, std::int64_t d_out) = 0;
  [[nodiscard]] virtual Codes encode_rows(const at::Tensor& x) const = 0;       // [B, d_in]
  [[nodiscard]] virtual at::Tensor decode_codes(const Codes& codes) const = 0;  // [B, d_out]
  // Own terms of the loss, with their graph; none by default.
  virtual std::vector<Forward::Term> extra_terms(const SaeInput& input, const Codes& codes,
                                                 const at::Tensor& reconstruction);

  [[nodiscard]] const at::Tensor& p(std::string_view name) const;
  [[nodiscard]] const at::Tensor& buffer(std::string_view name) const;

 private:
  Tensors parameters_;  // the host's views; autograd leaves while forward runs
  Tensors buffers_;
};

// Capability: an SAE that is fitted by passes over the data instead of steps (PCA, ICA, NMF).
class SAFFRON_EXPORT Fitted {
 public:
  virtual ~Fitted();
  virtual void observe(const SaeInput& batch) = 0;
  // Whether another pass over the same rows is wanted. After false the parameters are final.
  [[nodiscard]] virtual bool end_pass() = 0;
};

// Capability: an SAE whose latents can be drawn anew by the host (resampling, re-initialisation).
class SAFFRON_EXPORT Reinitialisable {
 public:
  virtual ~Reinitialisable();
  // Fills the rows of these latents (int64 [n], n > 0; all when undefined) as initialise would, from
  // `random`, and forgets what buffers hold of them. The host zeroes their optimiser moments.
  virtual void reinitialise(const at::Tensor& latents, Random random) = 0;
};

// Capability: an SAE that draws latents anew by itself in after_step.
class SAFFRON_EXPORT Resampling {
 public:
  virtual ~Resampling();
  // The latents (int64 [n]) that the last after_step drew anew, for the host to zero their optimiser
  // moments; undefined for none. Asked once a step.
  [[nodiscard]] virtual at::Tensor take_resampled() = 0;
};

// Weights in one canonical form, for other libraries. Rows from the left, latents second in W_enc:
//
//   x' = x - apply * b_dec        a = x' W_enc + b_enc        xhat = f W_dec + b_dec + x W_skip
//
//   W_enc [d_in, F]   b_enc [F]   W_dec [F, d_out]   b_dec [d_out]   W_skip [d_in, d_out]
//
//   "relu"       f = ReLU(a)
//   "topk"       f = ReLU(a) where a is one of the k largest of its row, else 0
//   "abs_topk"   f = a where |a| is one of the k largest of its row, else 0
//   "groupmax"   f = ReLU(a) where a is the largest of its group, else 0; groups are k runs of F / k
//   "jumprelu"   f = ReLU(a) where a > threshold [F], else 0
//   "gated"      f = ReLU(e^r_mag (x' W_enc) + b_mag) where x' W_enc + b_gate > 0, else 0;
//                b_gate, b_mag, r_mag [F]; no b_enc
struct CanonicalSae {
  at::Tensor W_enc, b_enc, W_dec, b_dec, threshold;  // undefined where there is none
  at::Tensor W_skip, b_gate, b_mag, r_mag;
  std::string activation;
  std::optional<std::int64_t> k;
  bool subtract_b_dec = true;  // apply; needs d_in = d_out
  at::Tensor code_scale;       // [F]: f here is the SAE's own codes times this; undefined: 1
  // How the SAE's rows came from raw activations, x = (a - input_mean) * input_scale; set by the host,
  // undefined where the source does not normalise. The rows that it predicts came in the same way
  // from their own activations with output_mean and output_scale: undefined, with the input's.
  at::Tensor input_mean, input_scale, output_mean, output_scale;
  Value extra = Value::table();
};

class SAFFRON_EXPORT Exportable {
 public:
  virtual ~Exportable();
  [[nodiscard]] virtual CanonicalSae canonical() const = 0;
};

// What a reference to an sae node gives: the trained SAE, and where its rows come from.
struct TrainedSae {
  std::string name;  // "student[k=8]"
  std::shared_ptr<Sae> sae;
  std::shared_ptr<Source> source;
  std::string source_name;
  SaeSpec spec;
  SaeShape shape;
  std::vector<std::int64_t> reads, predicts;  // stream numbers in the source
  Tensors parameters, buffers;
  std::int64_t rows_trained = 0;
  // Coordinates in the grid: {"k", "8"}; empty for a single SAE.
  std::vector<std::pair<std::string, std::string>> coordinates;
};

template <>
struct Referent<Sae> {
  using Type = TrainedSae;
};

}  // namespace saffron::inline sdk_v1
