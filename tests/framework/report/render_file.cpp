// report_render_file OUT.html REPORT.json...: what `saffron report` writes, for check_page.py.
#include <framework/report/render.h>
#include <saffron/error.h>

#include <fstream>
#include <iostream>
#include <iterator>

namespace {

std::string read_file(const char* path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw saffron::Error(saffron::ErrorKind::io, saffron::cat("cannot read ", path));
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  try {
    std::vector<saffron::Value> reports;
    for (int i = 2; i < argc; ++i)
      reports.push_back(saffron::from_json(read_file(argv[i]), argv[i]));
    std::ofstream out(argv[1], std::ios::binary);
    out << saffron::host::render_html(reports);
    return out.flush() ? 0 : 1;
  } catch (const saffron::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
