#pragma once

#include <saffron/preference_metrics.h>
#include <saffron/report.h>

namespace saffron::plugins {

// The score of RewardBench 2's Ties subset (Malik et al. 2025). Prompts "tied:ID" have several correct responses
// (label 1) and "ref:ID" one; a prompt is accurate where all correct ones score above all others. Of the IDs that
// have both, with m the lowest correct score less the highest incorrect one and s the spread of the correct scores
// of the tied prompt:
//
//   ties_score = .30 accuracy of tied + .30 accuracy of ref + .20 share of m_tied > s
//                + .20 share of min(m_ref, m_tied) > s + .01 mean tanh(min(m_ref, m_tied) / s - 1)
//
// where 0 / 0 counts as 0. Adds these numbers of every model. Error (data) where labels are not 0 and 1, or a
// prompt lacks one of the two; Error (invalid) where no ID has both prompts.
void add_ties(const preferences::ScoreTable& table, Report& out);

}  // namespace saffron::plugins
