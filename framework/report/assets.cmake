# Turns the report page's parts into a source file, so that a report needs no file but itself.
# Sets SAFFRON_REPORT_ASSETS_CPP, a source of saffron_host. Scripts are joined in this order.
set(saffron_report_scripts format dom theme metrics tables axes plots lines scatter dendrogram heatmap
                           contexts compare recipe shell page)
set(saffron_report_assets ${CMAKE_CURRENT_LIST_DIR}/assets)
set(SAFFRON_REPORT_ASSETS_CPP ${CMAKE_CURRENT_BINARY_DIR}/report_assets.cpp)

set(saffron_report_parts ${saffron_report_assets}/report.css
    ${saffron_report_assets}/uplot/uPlot.iife.min.js ${saffron_report_assets}/uplot/uPlot.min.css
    ${saffron_report_assets}/uplot/LICENSE)
foreach(script IN LISTS saffron_report_scripts)
  list(APPEND saffron_report_parts ${saffron_report_assets}/script/${script}.js)
endforeach()

add_custom_command(
  OUTPUT ${SAFFRON_REPORT_ASSETS_CPP}
  COMMAND ${CMAKE_COMMAND} -DASSETS=${saffron_report_assets} "-DSCRIPTS=${saffron_report_scripts}"
          -DOUTPUT=${SAFFRON_REPORT_ASSETS_CPP} -P ${CMAKE_CURRENT_LIST_DIR}/embed.cmake
  DEPENDS ${saffron_report_parts} ${CMAKE_CURRENT_LIST_DIR}/embed.cmake
  COMMENT "Embedding the report page"
  VERBATIM)
