#pragma once

// The tree that tests read, and the one that they were built in. Defined in one file: as macros on every
// command line they would keep clones from sharing what was compiled.
extern const char* const kSourceDir;
extern const char* const kBuildDir;
