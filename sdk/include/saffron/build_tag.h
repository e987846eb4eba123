#pragma once

#include <saffron/abi.h>
#include <saffron/namespace.h>

#include <torch/version.h>
#include <string>  // defines the standard library's own version macros

// The build tag: what must agree between a plugin and its host, as one text that a host reads from
// the file before it loads it. docs/plugins.md says which keys must be equal.

#define SAFFRON_TEXT_OF(x) #x
#define SAFFRON_TEXT(x) SAFFRON_TEXT_OF(x)

#ifndef SAFFRON_TORCH_CUDA
#error "SAFFRON_TORCH_CUDA is not defined: build against the saffron::sdk CMake target"
#endif

#ifdef _GLIBCXX_DEBUG
#define SAFFRON_TAG_DEBUG "1"
#else
#define SAFFRON_TAG_DEBUG "0"
#endif

#ifdef __SANITIZE_ADDRESS__
#define SAFFRON_TAG_SANITIZE "address"
#else
#define SAFFRON_TAG_SANITIZE "none"
#endif

#define SAFFRON_SDK_VERSION               \
  SAFFRON_TEXT(SAFFRON_SDK_VERSION_MAJOR) \
  "." SAFFRON_TEXT(SAFFRON_SDK_VERSION_MINOR) "." SAFFRON_TEXT(SAFFRON_SDK_VERSION_PATCH)

#define SAFFRON_TORCH_VERSION       \
  SAFFRON_TEXT(TORCH_VERSION_MAJOR) \
  "." SAFFRON_TEXT(TORCH_VERSION_MINOR) "." SAFFRON_TEXT(TORCH_VERSION_PATCH)

#ifndef SAFFRON_BUILD_TAG
#define SAFFRON_BUILD_TAG \
  "abi=" SAFFRON_TEXT(SAFFRON_ABI_MAJOR) ";sdk=" SAFFRON_SDK_VERSION                   \
  ";torch=" SAFFRON_TORCH_VERSION ";cuda=" SAFFRON_TORCH_CUDA                          \
  ";cxx11abi=" SAFFRON_TEXT(_GLIBCXX_USE_CXX11_ABI)                                    \
  ";cxxabi=" SAFFRON_TEXT(__GXX_ABI_VERSION)                                           \
  ";libstdcxx=" SAFFRON_TEXT(_GLIBCXX_RELEASE) ";debug=" SAFFRON_TAG_DEBUG             \
  ";sanitize=" SAFFRON_TAG_SANITIZE ";gcc=" __VERSION__
#endif
