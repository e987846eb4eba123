#pragma once

#include <saffron/source.h>
#include <saffron/testing/checks.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// Blocks in hand, for the checks of sources.

namespace saffron::testing {

// The source, with info() known; the check skipped where it refuses, or has no blocks.
[[nodiscard]] std::shared_ptr<Source> source_of(const Subject& subject,
                                                const Subject::Setup& setup = {});
// A few blocks: the first ones, one in the middle and the last, or one far away.
[[nodiscard]] std::vector<std::int64_t> some_blocks(Source& source);
// The same, and every other one too where there are few enough; else the first ones.
[[nodiscard]] std::vector<std::int64_t> many_blocks(Source& source);
// Of the first stream that has rows.
[[nodiscard]] std::int64_t row_count(const ActivationRows& rows);
// Undefined also where it is not the matrix that declared-shape-and-dtype wants.
[[nodiscard]] at::Tensor sound_origin(const ActivationRows& rows);
[[nodiscard]] ActivationRows copied(const ActivationRows& rows);
// What differs first, "" when all is equal bit for bit.
[[nodiscard]] std::string difference(const ActivationRows& a, const ActivationRows& b);

// Checks of sources that are ModelBacked, Normalised, endless or Planted.
[[nodiscard]] Verdict normalise_roundtrip(const Subject& subject);
[[nodiscard]] Verdict normalisation_agrees(const Subject& subject);
[[nodiscard]] Verdict rows_are_the_models(const Subject& subject);
[[nodiscard]] Verdict endless_blocks_differ(const Subject& subject);
[[nodiscard]] Verdict planted_features(const Subject& subject);
[[nodiscard]] Verdict planted_coefficients(const Subject& subject);

// Skips the check of a deterministic source whose blocks depend on which were made before: that is
// for resume-cursor to say, and much else follows from it.
void need_pure_blocks(const Subject& subject);

}  // namespace saffron::testing
