# saffron_add_plugin(NAME SOURCES file... [LIBS target...])
#
# A shared library that Saffron loads: hidden visibility, nothing exported but the entry, no undefined
# symbols, OpenMP on (at::parallel_for is serial without it), linked to saffron::sdk.
function(saffron_add_plugin name)
  cmake_parse_arguments(arg "" "OUTPUT_DIRECTORY" "SOURCES;LIBS" ${ARGN})
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "saffron_add_plugin(${name}): no SOURCES")
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
    target_compile_options(${target} PRIVATE -fsanitize=${SAFFRON_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${SAFFRON_SANITIZE} -Wl,-z,undefs)
  endif()
endfunction()
