# What a plugin's CMakeLists.txt calls. docs/plugins.md has examples.
#
# saffron_add_plugin(NAME SOURCES file... [LIBS target...]
#                    [CUDA kernel.cu... [WITHOUT_CUDA stub.cpp...]])
#
# A shared library that Saffron loads, the target saffron_plugin_NAME: hidden visibility, nothing
# exported but the entry, no undefined symbols, OpenMP on (at::parallel_for is serial without it),
# linked to saffron::sdk.
#
# CUDA sources take raw pointers and a stream and include no header of LibTorch or Saffron. They are
# compiled where nvcc is found; elsewhere the sources WITHOUT_CUDA take their place, which define
# the same functions (to say "built without CUDA", or to compute on the CPU). The CUDA run time is
# linked in, so that the plugin also loads on a machine without CUDA.
#
# saffron_add_plugin_tests(NAME SOURCES file... [LIBS target...])
#
# GoogleTest cases of a plugin of that name, from these sources and the plugin's own objects; and
# `saffron test-plugin` of its file, where the program is at hand, with test-plugin.toml where there is
# one. Nothing under -DBUILD_TESTING=OFF.

# A macro, as CMake enables a language only in the scope of a folder.
macro(saffron_add_plugin name)
  set(_saffron_arguments ${ARGN})
  if("CUDA" IN_LIST _saffron_arguments)
    saffron_look_for_nvcc()
  endif()
  unset(_saffron_arguments)
  saffron_add_plugin_target(${name} ${ARGN})
endmacro()

# Enables CUDA where there is a compiler. -DCMAKE_CUDA_COMPILER=NOTFOUND builds without.
macro(saffron_look_for_nvcc)
  if(NOT CMAKE_CUDA_COMPILER_LOADED)
    include(CheckLanguage)
    check_language(CUDA)
    if(CMAKE_CUDA_COMPILER)
      if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
        set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # 90: machine code and PTX for what comes later
      endif()
      enable_language(CUDA)
    endif()
  endif()
endmacro()

function(saffron_add_plugin_target name)
  cmake_parse_arguments(arg "" "OUTPUT_DIRECTORY" "SOURCES;LIBS;CUDA;WITHOUT_CUDA" ${ARGN})
  set(call "saffron_add_plugin(${name})")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${call}: what is '${arg_UNPARSED_ARGUMENTS}'? "
                        "It takes SOURCES, LIBS, CUDA and WITHOUT_CUDA.")
  elseif(NOT arg_SOURCES)
    message(FATAL_ERROR "${call}: no SOURCES")
  elseif(arg_WITHOUT_CUDA AND NOT arg_CUDA)
    message(FATAL_ERROR "${call}: WITHOUT_CUDA stands in for CUDA sources, and there are none. "
                        "List the .cu files after CUDA.")
  endif()
  set(target saffron_plugin_${name})
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE saffron::sdk ${arg_LIBS})
  target_compile_features(${target} PRIVATE cxx_std_20)
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ${name}
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    CXX_EXTENSIONS OFF)
  if(arg_CUDA AND CMAKE_CUDA_COMPILER_LOADED)
    saffron_add_cuda_sources(${target} ${arg_CUDA})
  elseif(arg_WITHOUT_CUDA)
    message(STATUS "${call}: no CUDA compiler; built without CUDA, from ${arg_WITHOUT_CUDA}")
    target_sources(${target} PRIVATE ${arg_WITHOUT_CUDA})
  elseif(arg_CUDA)
    message(FATAL_ERROR "${call}: there is no CUDA compiler for ${arg_CUDA}. Put nvcc on the PATH or "
                        "pass -DCMAKE_CUDA_COMPILER=<path>; or name sources that stand in for them "
                        "where there is none: WITHOUT_CUDA stub.cpp")
  endif()
  set(map ${CMAKE_CURRENT_BINARY_DIR}/${name}.map)
  file(WRITE ${map} "{ global: saffron_plugin_entry; local: *; };\n")
  target_link_options(${target} PRIVATE -Wl,--version-script=${map} -Wl,-z,defs)
  set_target_properties(${target} PROPERTIES LINK_DEPENDS ${map})
  if(TARGET saffron_warnings)
    target_link_libraries(${target} PRIVATE saffron_warnings)
  endif()
  if(arg_OUTPUT_DIRECTORY)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${arg_OUTPUT_DIRECTORY})
  elseif(SAFFRON_PLUGIN_OUTPUT_DIRECTORY)
    set_target_properties(${target} PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY ${SAFFRON_PLUGIN_OUTPUT_DIRECTORY})
  endif()
  if(NOT arg_OUTPUT_DIRECTORY)
    set_target_properties(${target} PROPERTIES
      BUILD_WITH_INSTALL_RPATH ON  # installing it changes no byte, and so no digest
      INSTALL_RPATH "$ORIGIN/../..;${SAFFRON_TORCH_ROOT}/lib")
    install(TARGETS ${target} LIBRARY DESTINATION lib/saffron/plugins)
  endif()
  if(SAFFRON_SANITIZE)  # a plugin has the sanitizers of its host, which brings their runtimes
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${SAFFRON_SANITIZE};-fno-omit-frame-pointer>)
    target_link_options(${target} PRIVATE -fsanitize=${SAFFRON_SANITIZE} -Wl,-z,undefs)
  endif()
endfunction()

# As sdk/ops/cuda is built, but into the module itself.
function(saffron_add_cuda_sources target)
  find_package(CUDAToolkit REQUIRED)
  target_sources(${target} PRIVATE ${ARGN})
  target_link_libraries(${target} PRIVATE CUDA::cudart_static)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>)
  set_target_properties(${target} PROPERTIES
    LINKER_LANGUAGE CXX
    CUDA_STANDARD 17  # CMake 3.25 knows no C++20 for nvcc 13
    CUDA_STANDARD_REQUIRED ON
    CUDA_RUNTIME_LIBRARY None  # CUDA::cudart_static is it
    CUDA_VISIBILITY_PRESET hidden)
endfunction()

function(saffron_add_plugin_tests name)
  if(DEFINED BUILD_TESTING AND NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  set(call "saffron_add_plugin_tests(${name})")
  set(plugin saffron_plugin_${name})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${call}: what is '${arg_UNPARSED_ARGUMENTS}'? It takes SOURCES and LIBS.")
  elseif(NOT arg_SOURCES)
    message(FATAL_ERROR "${call}: no SOURCES")
  elseif(NOT TARGET ${plugin})
    message(FATAL_ERROR "${call}: there is no plugin '${name}'. "
                        "Call saffron_add_plugin(${name} ...) before it.")
  endif()
  find_package(GTest QUIET)
  if(NOT TARGET GTest::gmock)
    message(FATAL_ERROR
      "${call}: GoogleTest was not found. On Debian and Ubuntu the packages libgtest-dev and "
      "libgmock-dev provide it; -DBUILD_TESTING=OFF builds the plugin without its tests.")
  endif()
  include(GoogleTest)
  set(target ${plugin}_test)
  add_executable(${target} ${arg_SOURCES} $<TARGET_OBJECTS:${plugin}>)
  add_dependencies(${target} ${plugin})
  get_target_property(libs ${plugin} LINK_LIBRARIES)
  target_link_libraries(${target} PRIVATE saffron::testing ${libs} ${arg_LIBS}
                        GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_features(${target} PRIVATE cxx_std_20)
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ${name}_test
    CXX_EXTENSIONS OFF
    LINKER_LANGUAGE CXX)
  if(SAFFRON_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${SAFFRON_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${SAFFRON_SANITIZE})
  endif()
  gtest_discover_tests(${target} TEST_PREFIX "${name}." NO_PRETTY_VALUES DISCOVERY_MODE PRE_TEST
                       DISCOVERY_TIMEOUT 60 WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set(program ${Saffron_PROGRAM})
  if(TARGET saffron)
    set(program $<TARGET_FILE:saffron>)
  endif()
  set(settings)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/test-plugin.toml)
    set(settings --config ${CMAKE_CURRENT_SOURCE_DIR}/test-plugin.toml)
  endif()
  if(program)
    add_test(NAME ${name}.conformance
             COMMAND ${program} test-plugin $<TARGET_FILE:${plugin}> ${settings})
  endif()
endfunction()
