#include "descriptor.h"

#include <openssl/evp.h>

#include <array>

namespace saffron::inline sdk_v1 {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

namespace {

void check(int status) {
  if (status != 1) throw Error(ErrorKind::internal, "OpenSSL could not compute a SHA-256 digest");
}

}  // namespace

Sha256::Sha256() : state_(std::make_unique<State>()) {
  check(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr));
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::update(std::span<const std::byte> bytes) {
  if (!state_) throw Error("Sha256::update after hex(): the digest is finished");
  check(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()));
  return *this;
}

std::string Sha256::hex() {
  if (!state_) throw Error("Sha256::hex twice: the digest is finished");
  std::array<unsigned char, 32> digest{};
  check(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr));
  state_.reset();
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : digest) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 0xF];
  }
  return out;
}

std::string sha256(std::span<const std::byte> bytes) { return Sha256().update(bytes).hex(); }

std::string sha256(std::string_view text) { return Sha256().update(text).hex(); }

// Read, not mapped: a file that shrinks meanwhile must not end the process.
std::string sha256_file(const std::filesystem::path& path) {
  Sha256 digest;
  io_detail::read_chunks(path, [&](std::span<const std::byte> chunk) { digest.update(chunk); });
  return digest.hex();
}

}  // namespace saffron::inline sdk_v1
