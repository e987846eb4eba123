#include "framework/report/document.h"
#include "framework/report/render.h"
#include "framework/run/report_builder.h"
#include "tests/fuzz/fuzz.h"

// report.json (a document or a scorer's report in it), and anything else as metrics.jsonl. What
// reads must write, and read back the same.

namespace {

using namespace saffron;

void read_document(std::string_view text) {
  const Value value = from_json(text, "report.json");
  fuzz::accepts([&] {
    const Value once = to_value(report_from_value(value));
    fuzz::require(to_value(report_from_value(once)) == once, "a report reads back equal");
  });
  fuzz::accepts([&] {
    const Value once = host::ReportDocument::from_value(value).to_value();
    fuzz::require(host::ReportDocument::from_value(once).to_value() == once,
                  "a document reads back equal");
    (void)host::render_html({once});
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::accepts([&] { read_document(text); });
  fuzz::accepts([&] { (void)host::last_records(fuzz::write("metrics.jsonl", text)); });
  return 0;
}
