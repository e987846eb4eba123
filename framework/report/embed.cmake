# cmake -DASSETS=folder -DSCRIPTS=names -DOUTPUT=file.cpp -P embed.cmake
# Writes the definitions of assets.h, each file as one raw string literal.
set(delimiter "saffron_asset")

function(embed name text)
  string(FIND "${text}" ")${delimiter}\"" found)
  if(NOT found EQUAL -1)
    message(FATAL_ERROR "the text of ${name} contains the raw string's delimiter")
  endif()
  file(APPEND ${OUTPUT}
       "const std::string_view ${name} = R\"${delimiter}(${text})${delimiter}\";\n")
endfunction()

set(script "")
foreach(name IN LISTS SCRIPTS)
  file(READ ${ASSETS}/script/${name}.js part)
  string(APPEND script "${part}\n")
endforeach()
file(READ ${ASSETS}/report.css style)
file(READ ${ASSETS}/uplot/uPlot.iife.min.js uplot_script)
file(READ ${ASSETS}/uplot/uPlot.min.css uplot_style)
file(READ ${ASSETS}/uplot/LICENSE uplot_license)

file(WRITE ${OUTPUT} "// Made by framework/report/embed.cmake from framework/report/assets.\n"
                     "#include <framework/report/assets.h>\n\n"
                     "namespace saffron::host::assets {\n\n")
embed(kScript "${script}")
embed(kStyle "${style}")
embed(kUplotScript "${uplot_script}")
embed(kUplotStyle "${uplot_style}")
embed(kUplotLicense "${uplot_license}")
file(APPEND ${OUTPUT} "\n}  // namespace saffron::host::assets\n")
