#include "preference_accuracy.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN(
    "org.saffron.preference_accuracy", "0.1.0",
    saffron::component<saffron::plugins::PreferenceAccuracy>(
        "preference_accuracy", "How well reward models predict labelled preferences")
        .describe(
            "Accuracy, strict and with half ties, likelihood and calibration of the preferences "
            "that "
            "scores stand for, best-of-K credit, and a ranking that says which differences these "
            "prompts can tell.")
        .cite(
            "Lambert et al. 2024, RewardBench; Malik et al. 2025, RewardBench 2; Muslimani et al. "
            "2025, Towards Improving Reward Design in RL: A Reward Alignment Metric for RL "
            "Practitioners"))
