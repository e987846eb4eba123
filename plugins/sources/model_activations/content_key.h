#pragma once

#include <saffron/dataset.h>
#include <saffron/model.h>
#include <saffron/value.h>

#include <span>
#include <string>

namespace saffron::plugins {

// A name for everything that the bits of a source's raw rows depend on, as 32 hexadecimal digits:
//
//   SHA-256 of  parameters, sites, the dataset's size and a fixed pseudo-random sample of its rows,
//               and the model's activations at the sites over the first of these rows
//
// The activations stand for weights, code and machine: a changed layer, another quantisation or
// another instruction set gives another key. Rows outside the sample are not seen here; who keeps
// something under the key compares the tokens.
[[nodiscard]] std::string content_key(Model& model, const Dataset& dataset,
                                      std::span<const std::string> sites, Value parameters);

}  // namespace saffron::plugins
