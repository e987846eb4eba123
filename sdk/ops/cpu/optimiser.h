#pragma once

#include <cstdint>

// The optimiser's pass over one row of a parameter. Everything of a row is in the first-level cache
// after its first touch, so that the pass is as fast as memory delivers parameter and moments.

namespace saffron::ops_cpu {

// g <- g - <g, w> w
void project(std::int64_t n, const float* w, float* g);
void project(std::int64_t n, const double* w, double* g);

// w <- w / ||w||, unless that is 0
void normalise(std::int64_t n, float* w);
void normalise(std::int64_t n, double* w);

// w <- max(w, 0)
void clamp_at_zero(std::int64_t n, float* w);
void clamp_at_zero(std::int64_t n, double* w);

struct AdamScalars {
  double step_size, beta1, beta2, eps, root_correction, decay, scale;
};
// g is scaled, moments and parameter are updated in place.
void adam_row(std::int64_t n, const float* g, float* w, float* m, float* v, const AdamScalars& s);
void adam_row(std::int64_t n, const double* g, double* w, double* m, double* v,
              const AdamScalars& s);
// The same with moments kept in bfloat16, given as its 16 bits. They are rounded up with the
// probability of what rounding down would cut off: to the nearest, an average as slow as
// beta2 = 0.999 would stand still. Draws are a hash of the row's noise and the element's number.
void adam_row(std::int64_t n, const float* g, float* w, std::uint16_t* m, std::uint16_t* v,
              const AdamScalars& s, std::uint32_t noise);
void adam_row(std::int64_t n, const double* g, double* w, std::uint16_t* m, std::uint16_t* v,
              const AdamScalars& s, std::uint32_t noise);

struct SignumScalars {
  double step_size, beta, decay, scale;
};
void signum_row(std::int64_t n, const float* g, float* w, float* m, const SignumScalars& s);
void signum_row(std::int64_t n, const double* g, double* w, double* m, const SignumScalars& s);
void signum_row(std::int64_t n, const float* g, float* w, std::uint16_t* m, const SignumScalars& s,
                std::uint32_t noise);
void signum_row(std::int64_t n, const double* g, double* w, std::uint16_t* m,
                const SignumScalars& s, std::uint32_t noise);

}  // namespace saffron::ops_cpu
