#include "l1.h"

namespace saffron::plugins {

Schema<L1::Options> L1::schema() {
  return Schema<Options>{}
      .include(&Options::scale, CodePenaltyOptions::schema())
      .include(&Options::control, SparsityControlOptions::schema());
}

at::Tensor L1::of_codes(const Codes& u, const TrainStep&, std::int64_t) { return u.l1().mean(); }

}  // namespace saffron::plugins
