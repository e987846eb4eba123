#pragma once

#include "framework/graph/objects.h"

namespace saffron::host {

// Adds to the results of training, {node: {sae: {...}}}, what each penalty's coefficient was:
//   "coefficients": {regularizer: {"coef", "canonical"}}
// canonical = what multiplies the sum of |f| over a row beside a squared error summed over d, rows
// averaged; null where the regularizer or the objective has no such value.
void add_coefficients(Objects& objects, const NodeSpec& train, Value& results);

}  // namespace saffron::host
