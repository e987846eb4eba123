#include <framework/report/assets.h>
#include <framework/report/document.h>
#include <framework/report/render.h>

namespace saffron::host {
namespace {

std::string replaced(std::string_view text, char what, std::string_view by) {
  std::string out;
  out.reserve(text.size() + text.size() / 64);
  for (const char c : text) {
    if (c == what) {
      out += by;
    } else {
      out += c;
    }
  }
  return out;
}

std::string html_text(std::string_view text) {
  return replaced(replaced(text, '&', "&amp;"), '<', "&lt;");
}

// Inside a script element only '<' can start something ("</script>", "<!--"); in JSON it occurs
// only within strings, where it may be written as an escape.
std::string json_for_script(const Value& value) { return replaced(to_json(value), '<', "\\u003c"); }

std::string run_name(const Value& report) {
  const Value* run = report.is_table() ? report.find("run") : nullptr;
  const Value* name = run != nullptr && run->is_table() ? run->find("name") : nullptr;
  return name != nullptr && name->is_string() ? name->as_string() : "run";
}

std::string page_title(const std::vector<Value>& reports) {
  std::string names;
  for (const Value& report : reports) names += (names.empty() ? "" : ", ") + run_name(report);
  // JSON's writer replaces what is not valid UTF-8; a title goes the same way.
  return from_json(to_json(Value(names)), "title").as_string() + " - Saffron report";
}

// The policy forbids the page any network access, whatever its data says.
constexpr std::string_view kHead =
    R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
)html";

}  // namespace

std::string render_html(const std::vector<Value>& reports) {
  if (reports.empty()) throw Error(ErrorKind::data, "there is no report to render");
  for (const Value& report : reports) check_report_format(report);

  std::string page(kHead);
  const auto add = [&page](auto... parts) { (page.append(parts), ...); };
  add("<title>", html_text(page_title(reports)), "</title>\n");
  add("<style>\n", assets::kUplotStyle, "\n", assets::kStyle, "</style>\n</head>\n<body>\n");
  add("<noscript>This report draws itself with JavaScript, which is switched off. Its numbers are "
      "in "
      "report.json and results.json beside it.</noscript>\n<div id=\"page\"></div>\n");
  add("<script type=\"application/json\" id=\"reports\">", json_for_script(Value(reports)),
      "</script>\n");
  // uPlot draws at the screen's pixel density; at least 2 keeps its canvases sharp on paper.
  add("<script>\n/*\nuPlot 1.6.32\n", assets::kUplotLicense, "*/\n",
      "const uPlot = (function (devicePixelRatio) {\n", assets::kUplotScript,
      "\nreturn uPlot;\n})(Math.max(2, window.devicePixelRatio));\n</script>\n");
  add("<script>\n(function () {\n\"use strict\";\n", assets::kScript,
      "})();\n</script>\n</body>\n</html>\n");
  return page;
}

}  // namespace saffron::host
