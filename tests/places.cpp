#include "tests/places.h"

const char* const kSourceDir = SAFFRON_SOURCE_DIR;
const char* const kBuildDir = SAFFRON_BUILD_DIR;
