#include "framework/recipe/resolve.h"
#include "tests/framework/recipe/recipe_fixture.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

// Random damage to a good recipe and to `--set` arguments: problems or success, never a crash or an
// exception. Run under the sanitizers too.

namespace saffron::host::testing {
namespace {

class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  std::string mutate(std::string text) {
    const std::size_t times = 1 + below(4);
    for (std::size_t i = 0; i < times; ++i) text = once(std::move(text));
    return text;
  }

  std::size_t below(std::size_t n) { return random_() % std::max<std::size_t>(n, 1); }

 private:
  std::string once(std::string text) {
    const std::size_t at = below(text.size()), length = 1 + below(12);
    switch (below(7)) {
      case 0: text.erase(at, length); break;
      case 1: text.insert(at, text.substr(below(text.size()), length)); break;
      case 2: text.insert(at, token()); break;
      case 3: text.replace(at, std::min(length, text.size() - at), token()); break;
      case 4: text[at] = static_cast<char>(below(256)); break;
      case 5: swap_lines(text); break;
      default: replace_word(text, at); break;
    }
    return text.empty() ? "x" : text;
  }

  std::string token() {
    static const std::vector<std::string> kTokens = {"=",
                                                     "[",
                                                     "]",
                                                     "{",
                                                     "}",
                                                     "\"",
                                                     "'",
                                                     ",",
                                                     ".",
                                                     "\n",
                                                     "#",
                                                     "[[",
                                                     "]]",
                                                     "\"\"\"",
                                                     "0",
                                                     "-1",
                                                     "1e999",
                                                     "nan",
                                                     "inf",
                                                     "true",
                                                     "9223372036854775807",
                                                     "0x",
                                                     "1979-05-27",
                                                     "\"acts\"",
                                                     "\"student[k=8]\"",
                                                     "\"student[\"",
                                                     "use = \"topk\"\n",
                                                     "[sae.student]\n",
                                                     "vary = {}",
                                                     "\"seed\" = [1, 2]",
                                                     "over = []\n",
                                                     "extends = \"x\"\n",
                                                     "\xFF",
                                                     "\xE2\x98\x83",
                                                     "\\u0000",
                                                     "saes = [\"recon\"]\n",
                                                     "[train.all.regularizer]\n",
                                                     "sae = [\"\"]\n",
                                                     ":"};
    return kTokens[below(kTokens.size())];
  }

  void swap_lines(std::string& text) {
    const std::size_t a = text.find('\n', below(text.size()));
    const std::size_t b = text.find('\n', a == text.npos ? 0 : a + 1);
    if (a == text.npos || b == text.npos) return;
    const std::string line = text.substr(a, b - a);
    text.erase(a, b - a);
    text.insert(std::min(text.find('\n', below(text.size())), text.size()), line);
  }

  // A word becomes another word of the same text: wrong names in right places.
  void replace_word(std::string& text, std::size_t at) {
    const auto word = [&](std::size_t from) {
      const char* letters = "abcdefghijklmnopqrstuvwxyz_0123456789";
      const std::size_t first = text.find_first_of(letters, from);
      if (first == text.npos) return std::pair(text.size(), std::size_t{0});
      const std::size_t last = std::min(text.find_first_not_of(letters, first), text.size());
      return std::pair(first, last - first);
    };
    const auto [target, size] = word(at);
    const auto [source, length] = word(below(text.size()));
    text.replace(target, size, text.substr(source, length));
  }

  std::mt19937 random_;
};

void digest(const Document& document) {
  FakeCatalog catalog;
  const Recipe recipe = decode_recipe(document, catalog);
  EXPECT_EQ(recipe.problems.ok(), recipe.problems.errors() == 0);
  const std::string said = recipe.problems.text(document.sources);
  EXPECT_EQ(said.empty(), recipe.problems.list().empty());
  if (!recipe.problems.ok()) return;
  EXPECT_FALSE(resolved_text(recipe).empty());
  EXPECT_NO_THROW((void)to_json(resolved_value(recipe), JsonStyle::canonical));
}

TEST(RecipeFuzz, DamagedRecipesNeverCrash) {
  const std::string good = text_of(fixture("good.toml"));
  const Folder folder;
  Mutator mutator(20261121);
  int accepted = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string text = mutator.mutate(good);
    SCOPED_TRACE(text);
    const Document document = read_document(folder.write("recipe.toml", text), {});
    ASSERT_NO_THROW(digest(document));
    accepted += document.problems.ok() ? 1 : 0;
  }
  // The damage is not so heavy that only the parser is tested.
  EXPECT_GT(accepted, 200);
}

TEST(RecipeFuzz, DamagedSetsNeverCrash) {
  const std::vector<std::string> good = {
      "sae.student.k=64", "train.all.vary.\"student.k\"=[8, 16]", "sae.student.use=relu",
      "score.explained.judge={ use = \"http\", url = \"x\" }", "train.all.optimizer.lr=1e-3"};
  Mutator mutator(7);
  for (int i = 0; i < 800; ++i) {
    const std::string set = mutator.mutate(good[mutator.below(good.size())]);
    SCOPED_TRACE(set);
    ASSERT_NO_THROW(digest(read_document(fixture("good.toml"), {set})));
  }
}

}  // namespace
}  // namespace saffron::host::testing
