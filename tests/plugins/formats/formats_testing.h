#pragma once

#include "tests/caught.h"
#include "tests/identical.h"
#include "tests/temporary_folder.h"

#include <saffron/error.h>
#include <saffron/format.h>
#include <saffron/io.h>
#include <saffron/random.h>

#include <ATen/core/Tensor.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

// What the tests of all formats share: SAEs of every activation, the plain computation of CanonicalSae, and
// the recorded files of tests/fixtures/formats.

namespace saffron::format_test {
namespace fs = std::filesystem;

// No two are equal: a transposed matrix does not fit.
constexpr std::int64_t kD = 6, kF = 16, kOut = 5, kK = 4;

struct Forwarded {
  at::Tensor codes, xhat;  // float64
};
// Of raw activations, as sae.h defines it, in float64.
[[nodiscard]] Forwarded forward(const CanonicalSae& sae, const at::Tensor& raw);

// Random weights with every tensor of the activation; groupmax, topk and abs_topk with k = kK.
[[nodiscard]] CanonicalSae random_sae(const std::string& activation, std::int64_t d_out = kD,
                                      bool skip = false);
// One stream that is read and predicted, or one of each.
[[nodiscard]] TrainedSae trained_on(std::int64_t d_in, std::int64_t d_out, bool same);

// Largest difference over the largest value.
[[nodiscard]] double apart(const at::Tensor& a, const at::Tensor& b);
// Every tensor bitwise, and every setting.
void expect_identical(const CanonicalSae& a, const CanonicalSae& b);
// The same codes and reconstructions of raw activations to 1e-5.
void expect_same_outputs(const CanonicalSae& a, const CanonicalSae& b);

// The folders tests/fixtures/formats/FORMAT/*.
[[nodiscard]] std::vector<fs::path> recorded_folders(const std::string& format);
// Reads the folder: recognised, and the recorded outputs to 1e-5.
void expect_recorded_outputs(const Format& format, const fs::path& folder);
// Writes and reads what is read from it, twice: the weights stay bitwise what they are.
void expect_kept_bitwise(const Format& format, const CanonicalSae& sae);

}  // namespace saffron::format_test
