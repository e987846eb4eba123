#include <saffron/error.h>
#include <saffron/regret_words.h>
#include <saffron/reward_metrics.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace saffron::inline sdk_v1::rewards {

std::string short_number(double x) {
  char digits[32];
  return {digits,
          std::to_chars(digits, digits + sizeof digits, x, std::chars_format::general, 5).ptr};
}

std::string regret_in_words(std::string_view counts, std::string_view followed, double regret) {
  const double percent = std::min(std::ceil(1e4 * regret - 1e-6) / 100, 100.0);
  const std::string bound =
      regret <= kZero ? cat("nothing of '", counts, "'")
                      : cat("at most ", short_number(percent), " % of the range of '", counts, "'");
  return cat("if '", followed, "' weakly prefers policy p to q, going from q to p costs ", bound);
}

}  // namespace saffron::inline sdk_v1::rewards
