// @NAME@: a sparse autoencoder.
//
// Change first: the formula below with encode_rows() and decode_codes(); then declare_simple(),
// which says what is trained, and initialise(). A loss of its own goes into extra_terms();
// buffers that are not trained (running means) into SaeSpec::buffers, and are changed in
// after_step().
//
// What holds for every SAE (saffron/sae.h):
// - The host owns the tensors. declare says their names and shapes, and what is held after every
//   step (Constraint); p("W_enc") reads one. The SAE allocates none, steps none and saves none.
// - Matrices over latents have the latents first: W_enc and W_dec are [F, d].
// - Autograd does the backward pass of a SimpleSae: plain LibTorch operations, nothing in place.
// - Parameters and rows are of the recipe's dtype, float32 or float64, rows not always
//   contiguous.
// - initialise() draws from init.random alone, and fills every parameter in place.
// - Shapes that it cannot take are a saffron::Error in declare_simple(), which `saffron check`
//   calls.

#include <saffron/init.h>
#include <saffron/plugin.h>
#include <saffron/sae.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/relu.h>

namespace {

// ReLU autoencoder:
//
//   f = ReLU((x - b_dec) W_enc^T + b_enc)      xhat = f W_dec + b_dec      ||W_dec_i|| = 1
//
// Sparse only with a regularizer beside it, such as l1.
// (Bricken et al. 2023, "Towards monosemanticity"; Cunningham et al. 2024, "Sparse autoencoders
// find highly interpretable directions in language models")
class @CLASS@ final : public saffron::SimpleSae, public saffron::Exportable {
 public:
  struct Options {
    std::int64_t width = 512;
  };
  static auto schema() {
    return saffron::Schema<Options>{}.param("width", &Options::width, "latents F",
                                            saffron::between(1, 1 << 30));
  }
  explicit @CLASS@(const Options& options) : options_(options) {}

  void initialise(const saffron::InitInput& init) override {
    const at::Tensor& W_dec = p("W_dec");
    W_dec.copy_(saffron::init::unit_rows(init.random.fork("W_dec"), W_dec.size(0), W_dec.size(1),
                                         W_dec.scalar_type()));
    p("W_enc").copy_(W_dec);
    p("b_enc").zero_();
    p("b_dec").copy_(init.sample().streams.at(0).mean(0));
  }

  // What `saffron export` writes for other libraries.
  saffron::CanonicalSae canonical() const override {
    saffron::CanonicalSae out;
    out.W_enc = p("W_enc").t().contiguous();
    out.b_enc = p("b_enc").clone();
    out.W_dec = p("W_dec").clone();
    out.b_dec = p("b_dec").clone();
    out.activation = "relu";
    return out;
  }

 protected:
  saffron::SaeSpec declare_simple(std::int64_t d_in, std::int64_t d_out) override {
    if (d_in != d_out) {
      throw saffron::Error(saffron::cat("@NAME@ predicts what it reads, so a stream of width ",
                                        d_in, " cannot predict one of width ", d_out))
          .with_help("leave `predicts` out");
    }
    using saffron::Role;
    const std::int64_t F = options_.width;
    saffron::SaeSpec spec;
    spec.latents = F;
    spec.parameters = {
        {.name = "W_enc", .shape = {F, d_in}, .role = Role::encoder, .per_latent = true},
        {.name = "b_enc", .shape = {F}, .role = Role::encoder_bias, .per_latent = true},
        {.name = "W_dec",
         .shape = {F, d_in},
         .role = Role::decoder,
         .constraint = saffron::Constraint::unit_rows,
         .per_latent = true},
        {.name = "b_dec", .shape = {d_in}, .role = Role::decoder_bias}};
    return spec;
  }

  saffron::Codes encode_rows(const at::Tensor& x) const override {
    return saffron::Codes::dense(at::relu(at::linear(x - p("b_dec"), p("W_enc"), p("b_enc"))));
  }

  at::Tensor decode_codes(const saffron::Codes& codes) const override {
    return at::mm(codes.to_dense(), p("W_dec")) + p("b_dec");
  }

 private:
  Options options_;
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "ReLU autoencoder with unit decoder rows")
                   .describe("Add a regularizer such as l1 to its train node.")
                   .cite("Bricken et al. 2023; Cunningham et al. 2024"))
