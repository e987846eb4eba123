#include "identity.h"

#include <ATen/ops/eye.h>
#include <ATen/ops/zeros.h>

namespace saffron::plugins {

Schema<Identity::Options> Identity::schema() {
  return Schema<Options>{}.include(&Options::components, ComponentOptions::schema());
}

void Identity::initialise_own(const InitInput&) {
  const at::Tensor neurons = at::eye(width());
  set(neurons, neurons, at::zeros({width()}));
}

}  // namespace saffron::plugins
