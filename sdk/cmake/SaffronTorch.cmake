# Finds LibTorch and makes the target saffron::torch.
#
# Looked for in CMAKE_PREFIX_PATH, then in the project's .venv (the PyTorch CPU wheel that
# scripts/setup puts there). Plugins and host must be built against the very same version: LibTorch
# promises no C++ ABI.

set(SAFFRON_TORCH_VERSIONS 2.13.0 2.11.0)

if(NOT Torch_DIR AND NOT SAFFRON_TORCH_DIR)
  file(GLOB _saffron_wheels
       ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch/share/cmake/Torch)
  if(_saffron_wheels)
    list(GET _saffron_wheels 0 Torch_DIR)
  endif()
elseif(SAFFRON_TORCH_DIR)
  set(Torch_DIR ${SAFFRON_TORCH_DIR})
endif()
set(_saffron_torch_dir "${Torch_DIR}")  # find_package forgets one where nothing is
# LibTorch's package warns of a static library that its wheel never has, and that nothing here links
# (saffron::torch names its own). To have it found keeps the warning from everybody's configure.
set(kineto_LIBRARY c10 CACHE INTERNAL "not used")
find_package(Torch QUIET)
if(NOT Torch_FOUND)
  set(_saffron_where)
  if(_saffron_torch_dir)
    set(_saffron_where " in Torch_DIR, '${_saffron_torch_dir}'")
  elseif(SAFFRON_BUILT_TORCH_DIR)
    set(_saffron_where " in '${SAFFRON_BUILT_TORCH_DIR}', where it was when Saffron was built")
  endif()
  if(SAFFRON_REQUIRED_TORCH)
    message(FATAL_ERROR
      "LibTorch ${SAFFRON_REQUIRED_TORCH} was not found${_saffron_where}. "
      "Pass -DTorch_DIR=<site-packages>/torch/share/cmake/Torch of that version.")
  endif()
  message(FATAL_ERROR
    "LibTorch was not found${_saffron_where}. Run scripts/setup, which puts PyTorch's CPU wheel "
    "into .venv, or pass -DCMAKE_PREFIX_PATH=<site-packages>/torch.")
endif()
# The wheel's MKL target carries link directories of the machine it was built on.
if(TARGET caffe2::mkl)
  set_target_properties(caffe2::mkl PROPERTIES INTERFACE_LINK_DIRECTORIES "")
endif()

get_filename_component(SAFFRON_TORCH_ROOT "${TORCH_INSTALL_PREFIX}" ABSOLUTE)
set(_saffron_cuda none)
if(EXISTS ${SAFFRON_TORCH_ROOT}/version.py)
  file(STRINGS ${SAFFRON_TORCH_ROOT}/version.py _saffron_line REGEX "^cuda")
  if(_saffron_line MATCHES "'([0-9.]+)'")
    set(_saffron_cuda ${CMAKE_MATCH_1})
  endif()
endif()
set(_saffron_version_header ${SAFFRON_TORCH_ROOT}/include/torch/headeronly/version.h)
if(NOT EXISTS ${_saffron_version_header})  # before 2.9: to be refused by its number, below
  set(_saffron_version_header
      ${SAFFRON_TORCH_ROOT}/include/torch/csrc/api/include/torch/version.h)
endif()
file(STRINGS ${_saffron_version_header} _saffron_version
     REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
string(REGEX MATCHALL "[0-9]+" _saffron_version "${_saffron_version}")
list(JOIN _saffron_version "." SAFFRON_TORCH_VERSION)

if(SAFFRON_REQUIRED_TORCH)
  set(SAFFRON_TORCH_VERSIONS ${SAFFRON_REQUIRED_TORCH})
endif()
if(NOT SAFFRON_TORCH_VERSION IN_LIST SAFFRON_TORCH_VERSIONS)
  list(JOIN SAFFRON_TORCH_VERSIONS " or " _saffron_accepted)
  message(FATAL_ERROR
    "LibTorch ${SAFFRON_TORCH_VERSION} (${SAFFRON_TORCH_ROOT}) is not accepted: "
    "Saffron needs ${_saffron_accepted}, because LibTorch promises no C++ ABI between versions. "
    "Point Torch_DIR at that version, or rebuild Saffron against yours.")
endif()

if(NOT TARGET saffron::torch)
  add_library(saffron_torch INTERFACE)
  add_library(saffron::torch ALIAS saffron_torch)
  target_include_directories(saffron_torch SYSTEM INTERFACE
    ${SAFFRON_TORCH_ROOT}/include ${SAFFRON_TORCH_ROOT}/include/torch/csrc/api/include)
  target_link_directories(saffron_torch INTERFACE ${SAFFRON_TORCH_ROOT}/lib)
  target_link_libraries(saffron_torch INTERFACE torch torch_cpu c10)
  target_compile_definitions(saffron_torch INTERFACE SAFFRON_TORCH_CUDA="${_saffron_cuda}"
                                                     _GLIBCXX_USE_CXX11_ABI=1)
  # at::parallel_for is an inline template around OpenMP: without the flag it runs serially. A
  # fuzzer wants that, and clang's OpenMP would be a second one beside LibTorch's.
  if(NOT SAFFRON_FUZZ)
    target_compile_options(saffron_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
    target_link_options(saffron_torch INTERFACE $<$<LINK_LANGUAGE:CXX>:-fopenmp>)
  endif()
endif()
