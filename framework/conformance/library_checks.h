#pragma once

#include "framework/loader/elf_tag.h"

#include <saffron/testing/checks.h>

#include <span>

namespace saffron::host {

// What holds of a plugin's file as a whole. Run in a child that has not loaded it.
struct LibraryCheck {
  const char* id;
  const char* sentence;
  int strictness;
  bool needed;  // no component is tested where it fails
  testing::Verdict (*run)(const PluginFile& file);
};
[[nodiscard]] std::span<const LibraryCheck> library_checks();

using testing::kLibrary;

// The check that a program which has used all its components ends well; the runner decides it.
inline constexpr const char* kEndsWell = "ends-well";
inline constexpr const char* kEndsWellSentence = "a program that has used it ends without a crash";
inline constexpr int kEndsWellStrictness = 3;

// The check that no check of a component leaves a process behind; the runner decides it.
using testing::kNoProcessLeft;
inline constexpr const char* kNoProcessLeftSentence = "no process outlives a use of it";
inline constexpr int kNoProcessLeftStrictness = 4;

}  // namespace saffron::host
