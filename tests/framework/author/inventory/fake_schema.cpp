#include "framework/author/json_schema.h"
#include "tests/framework/author/inventory/fake_offers.h"

#include <cstdio>
#include <string>

// Prints the JSON Schema of the recipes in tests/fixtures/recipes, for tests/peers.

int main() {
  using namespace saffron;
  const Value schema = host::json_schema(host::testing::fake_offers());
  std::puts(to_json(schema, JsonStyle::pretty).c_str());
  return 0;
}
