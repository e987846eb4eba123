// The HTML as text: what it carries and that data cannot break out of it. How it looks and behaves
// is checked in a browser by check_page.py.
#include <framework/report/document.h>
#include <framework/report/render.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using namespace saffron;
using Document = host::ReportDocument;
using host::render_html;
using testing::HasSubstr;
using testing::Not;

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
  return found;
}

Document named(const std::string& name) {
  Document document;
  document.run.name = name;
  return document;
}

// The documents inside the page's JSON element.
std::string payload(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"reports\">";
  const auto start = html.find(open) + open.size();
  return html.substr(start, html.find("</script>", start) - start);
}

TEST(RenderHtml, CarriesItsDocuments) {
  Document a = named("a");
  a.headline = {"One & two < three"};
  const std::string html = render_html({a.to_value(), named("b").to_value()});
  const Value documents = from_json(payload(html), "page");
  ASSERT_EQ(documents.as_list().size(), 2u);
  EXPECT_EQ(documents.as_list()[0], a.to_value());
  EXPECT_THAT(html, HasSubstr("<title>a, b - Saffron report</title>"));
}

TEST(RenderHtml, NeedsNothingElse) {
  const std::string html = render_html({named("a").to_value()});
  EXPECT_THAT(html, Not(HasSubstr(" src=")));
  EXPECT_EQ(count(html, "<link "), 1u);
  EXPECT_THAT(html, HasSubstr("<link rel=\"icon\" href=\"data:,\">"));
  EXPECT_THAT(html, Not(HasSubstr("@import")));
  EXPECT_THAT(html, Not(HasSubstr("url(")));
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  EXPECT_THAT(html, HasSubstr("Copyright (c) 2022 Leon Sorokin"));
  EXPECT_THAT(html, HasSubstr("var uPlot=function()"));
  EXPECT_THAT(html, HasSubstr("function renderPage("));
}

TEST(RenderHtml, DataCannotLeaveItsElement) {
  const std::string plain = render_html({named("a").to_value()});
  for (const std::string hostile :
       {"</script><script>alert(1)</script>", "<!-- <script>", "</SCRIPT >", "<b>\"'&amp;\\"}) {
    Document document = named(hostile);
    document.notes = {hostile};
    const std::string html = render_html({document.to_value()});
    EXPECT_EQ(count(html, "<script"), count(plain, "<script")) << hostile;
    EXPECT_EQ(count(html, "</script"), count(plain, "</script")) << hostile;
    EXPECT_EQ(count(html, "<!--"), count(plain, "<!--")) << hostile;
    EXPECT_EQ(payload(html).find('<'), std::string::npos) << hostile;
    const Value back = from_json(payload(html), "page").as_list()[0];
    EXPECT_EQ(back.at("notes").as_list()[0].as_string(), hostile);
  }
  EXPECT_THAT(render_html({named("</title><b>&").to_value()}),
              HasSubstr("<title>&lt;/title>&lt;b>&amp; - Saffron report</title>"));
}

TEST(RenderHtml, KeepsUnicodeAndControlCharacters) {
  const std::string text = "\xF0\x9F\x8C\xBE \xE2\x80\xA8 \x01 \x1b[31m \x7f \xC2\x85";
  const std::string html = render_html({named(text).to_value()});
  EXPECT_EQ(from_json(payload(html), "page").as_list()[0].at("run").at("name").as_string(), text);
  EXPECT_EQ(html.find('\x01'),
            html.find("<title>") + 7 + 9);  // in the title alone: escaped in JSON
}

TEST(RenderHtml, ReplacesInvalidUtf8) {
  const std::string html = render_html({named("bad \xFF\xC3 end").to_value()});
  EXPECT_EQ(html.find('\xFF'), std::string::npos);
  EXPECT_THAT(html, HasSubstr("<title>bad \xEF\xBF\xBD"));
  EXPECT_THAT(from_json(payload(html), "page").as_list()[0].at("run").at("name").as_string(),
              HasSubstr("\xEF\xBF\xBD"));
}

TEST(RenderHtml, RefusesWhatIsNoReport) {
  EXPECT_THROW(render_html({}), Error);
  EXPECT_THROW(render_html({Value(3)}), Error);
  EXPECT_THROW(render_html({named("a").to_value(), Value::table()}), Error);
}

}  // namespace
