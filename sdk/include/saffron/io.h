#pragma once

#include <saffron/error.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Files: memory maps, safetensors, GGUF, npy, atomic writes, hashes.
//
// Threads: every const member and every free function may be called from several threads at once.
//
// Lifetime: a tensor read from a file views the file's memory map where dtype and alignment allow,
// and keeps the map alive by itself; otherwise it is a copy. Treat it as read-only: a map is not
// writable, so an in-place operation on a view ends the process. clone() first. Files must not be
// shortened while mapped; the writers here never do that (they replace a file as a whole).
//
// Shapes: row-major, outermost first, as PyTorch prints them. A weight matrix is [out, in], in GGUF
// files too, whose own order is reversed.
//
// Errors: Error of kind io when the operating system refuses; data when a file's content is wrong,
// naming file, tensor or field, and value; invalid for a wrong argument. The parsers are made for
// hostile files: every count and offset is checked before it is used or allocated for. Little
// endian only.
//
// This header does not include LibTorch: a file that touches the tensors themselves includes
// <ATen/core/Tensor.h>.

namespace at {
class Tensor;
}  // namespace at

namespace saffron::inline sdk_v1 {

// ---- Bytes ----

enum class Access : std::uint8_t { normal, sequential, random };  // how a map will be read (a hint)

class SAFFRON_EXPORT MappedFile {
 public:
  [[nodiscard]] static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path,
                                                              Access access = Access::normal);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  MappedFile() = default;

  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// A file that appears whole or not at all: written under a temporary name in the same folder, and
// by commit() synced, renamed over `path` (a symbolic link there is replaced) and the folder
// synced. Without commit() the destructor removes it. The folder must exist. One thread at a time.
class SAFFRON_EXPORT AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

SAFFRON_EXPORT void write_file_atomic(const std::filesystem::path& path, std::string_view bytes);
SAFFRON_EXPORT void write_file_atomic(const std::filesystem::path& path,
                                      std::span<const std::byte> bytes);

// A whole file. read_text takes any bytes; read_utf8 throws Error (data) where check_utf8 does.
[[nodiscard]] SAFFRON_EXPORT std::string read_text(const std::filesystem::path& path);
[[nodiscard]] SAFFRON_EXPORT std::string read_utf8(const std::filesystem::path& path);
// Throws Error (data) at source:line:column, with the byte offset of the first invalid sequence.
SAFFRON_EXPORT void check_utf8(std::string_view text, std::string_view source);

// SHA-256 as 64 lower-case hexadecimal digits. Sha256: update as often as needed, then hex once.
class SAFFRON_EXPORT Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  Sha256& update(std::span<const std::byte> bytes);
  Sha256& update(std::string_view text) { return update(std::as_bytes(std::span(text))); }
  [[nodiscard]] std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] SAFFRON_EXPORT std::string sha256(std::span<const std::byte> bytes);
[[nodiscard]] SAFFRON_EXPORT std::string sha256(std::string_view text);
[[nodiscard]] SAFFRON_EXPORT std::string sha256_file(const std::filesystem::path& path);

// ---- Named tensors ----

struct SAFFRON_EXPORT TensorInfo {
  std::string name;
  std::string dtype;                // as the format spells it: "F32", "BF16", "Q4_1", "<f4"
  std::vector<std::int64_t> shape;  // empty: a scalar
  std::uint64_t offset = 0;         // of the first byte, from the start of its file
  std::uint64_t bytes = 0;
};

// A file or folder of named tensors. Opening reads the directory only; data is read on use.
class SAFFRON_EXPORT TensorReader {
 public:
  virtual ~TensorReader();

  [[nodiscard]] const std::string& path() const { return path_; }
  // In file order (a sharded folder: in the index's order).
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return tensors_; }
  [[nodiscard]] const TensorInfo* find(std::string_view name) const;  // nullptr when absent
  [[nodiscard]] const TensorInfo& info(std::string_view name) const;  // throws Error (data)

  [[nodiscard]] virtual at::Tensor tensor(std::string_view name) const = 0;
  // tensor(name)[begin : begin + count] along the first dimension, reading only those rows.
  [[nodiscard]] virtual at::Tensor rows(std::string_view name, std::int64_t begin,
                                        std::int64_t count) const = 0;

 protected:
  TensorReader(std::string path, std::vector<TensorInfo> tensors);
  TensorReader(const TensorReader&) = default;
  TensorReader(TensorReader&&) = default;
  TensorReader& operator=(const TensorReader&) = default;
  TensorReader& operator=(TensorReader&&) = default;

  // Position in tensors(); throws Error (data) with the nearest name when absent.
  [[nodiscard]] std::size_t index_of(std::string_view name) const;

 private:
  std::string path_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::uint32_t> by_name_;  // positions in tensors_, sorted by name
};

// Where a reader's bytes live. Tensors view them when `owner` is set and keep it alive; without an
// owner tensors are copies, and the bytes need only outlive the reader.
struct SAFFRON_EXPORT ByteView {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

// ---- safetensors ----

using Metadata = std::vector<std::pair<std::string, std::string>>;
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

struct SAFFRON_EXPORT SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // by offset
  Metadata metadata;                // the "__metadata__" table, in file order
};

// Checks the whole header: sizes, bounds, no overlap, no gap, no name twice. `file` is all of it.
[[nodiscard]] SAFFRON_EXPORT SafetensorsHeader parse_safetensors(std::span<const std::byte> file,
                                                                 std::string_view source);

// Reads F64 F32 F16 BF16 F8_E4M3 F8_E5M2 I64 I32 I16 I8 U64 U32 U16 U8 BOOL. Tensors of other
// dtypes are listed; reading one throws.
class SAFFRON_EXPORT SafetensorsFile : public TensorReader {
 public:
  [[nodiscard]] static SafetensorsFile open(const std::filesystem::path& path,
                                            Access access = Access::normal);
  [[nodiscard]] static SafetensorsFile parse(ByteView file, std::string source);

  [[nodiscard]] const Metadata& metadata() const { return metadata_; }
  [[nodiscard]] const std::string* metadata(std::string_view key) const;  // nullptr when absent

  [[nodiscard]] at::Tensor tensor(std::string_view name) const override;
  [[nodiscard]] at::Tensor rows(std::string_view name, std::int64_t begin,
                                std::int64_t count) const override;

 private:
  SafetensorsFile(ByteView file, std::string source, SafetensorsHeader header);

  ByteView file_;
  Metadata metadata_;
};

// A Hugging Face folder: model.safetensors.index.json and its shards, or model.safetensors alone.
class SAFFRON_EXPORT SafetensorsFolder : public TensorReader {
 public:
  [[nodiscard]] static SafetensorsFolder open(const std::filesystem::path& folder);

  [[nodiscard]] const std::vector<SafetensorsFile>& files() const { return files_; }

  [[nodiscard]] at::Tensor tensor(std::string_view name) const override;
  [[nodiscard]] at::Tensor rows(std::string_view name, std::int64_t begin,
                                std::int64_t count) const override;

 private:
  SafetensorsFolder(std::string path, std::vector<TensorInfo> tensors,
                    std::vector<SafetensorsFile> files, std::vector<std::uint32_t> file_of);

  std::vector<SafetensorsFile> files_;
  std::vector<std::uint32_t> file_of_;  // for each of tensors(), its position in files_
};

// Atomic. Any device and any strides; the dtypes that SafetensorsFile reads. Tensors of wider
// elements come first in the file, otherwise in the given order, so that each is aligned; the
// header is padded with spaces to 8 bytes.
SAFFRON_EXPORT void write_safetensors(const std::filesystem::path& path,
                                      const NamedTensors& tensors, const Metadata& metadata = {});

// ---- GGUF ----

enum class GgufType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};

struct SAFFRON_EXPORT GgufEntry {
  std::string key;
  GgufType type = GgufType::u8;
  GgufType element = GgufType::u8;  // of an array
  std::uint64_t count = 1;          // of an array
  std::uint64_t offset = 0;         // of the value (an array's first element) in the file
};

struct SAFFRON_EXPORT GgufHeader {
  std::uint32_t version = 0;
  std::uint32_t alignment = 32;
  std::vector<GgufEntry> metadata;  // in file order
  std::vector<TensorInfo> tensors;  // in file order
};

// Versions 2 and 3. `file` is all of it: tensor bounds are checked too.
[[nodiscard]] SAFFRON_EXPORT GgufHeader parse_gguf(std::span<const std::byte> file,
                                                   std::string_view source);

// Tensors come as float32, dequantised from F32 (a view), F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0,
// Q5_1, Q4_K, Q5_K and Q6_K. Tensors of other types are listed; reading one throws.
class SAFFRON_EXPORT GgufFile : public TensorReader {
 public:
  [[nodiscard]] static GgufFile open(const std::filesystem::path& path);
  [[nodiscard]] static GgufFile parse(ByteView file, std::string source);

  [[nodiscard]] std::uint32_t version() const { return version_; }
  [[nodiscard]] const std::vector<GgufEntry>& metadata() const { return metadata_; }
  [[nodiscard]] bool has(std::string_view key) const { return find_key(key) != nullptr; }

  // Metadata by key. An absent key yields `otherwise`, or throws Error (data) without one; a value
  // of another type always throws. integer takes every width and sign that fits; real takes
  // integers too.
  [[nodiscard]] std::string text(std::string_view key,
                                 std::optional<std::string> otherwise = {}) const;
  [[nodiscard]] std::int64_t integer(std::string_view key,
                                     std::optional<std::int64_t> otherwise = {}) const;
  [[nodiscard]] double real(std::string_view key, std::optional<double> otherwise = {}) const;
  [[nodiscard]] bool flag(std::string_view key, std::optional<bool> otherwise = {}) const;
  // Arrays; an absent key throws.
  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view key) const;
  [[nodiscard]] std::vector<double> reals(std::string_view key) const;

  [[nodiscard]] at::Tensor tensor(std::string_view name) const override;
  [[nodiscard]] at::Tensor rows(std::string_view name, std::int64_t begin,
                                std::int64_t count) const override;

 private:
  GgufFile(ByteView file, std::string source, GgufHeader header);
  [[nodiscard]] const GgufEntry* find_key(std::string_view key) const;
  [[nodiscard]] const GgufEntry& entry(std::string_view key) const;

  ByteView file_;
  std::uint32_t version_;
  std::vector<GgufEntry> metadata_;
};

// ---- NumPy ----

struct SAFFRON_EXPORT NpyHeader {
  TensorInfo array;  // its name is empty
  bool fortran = false;
};

[[nodiscard]] SAFFRON_EXPORT NpyHeader parse_npy(std::span<const std::byte> file,
                                                 std::string_view source);

// Versions 1 to 3; f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1. A Fortran-ordered array is a strided view.
[[nodiscard]] SAFFRON_EXPORT at::Tensor read_npy(const std::filesystem::path& path);
[[nodiscard]] SAFFRON_EXPORT at::Tensor read_npy(const ByteView& file, std::string_view source);
// Atomic, version 1.0, C order. Any device and strides; bfloat16 has no npy dtype and throws.
SAFFRON_EXPORT void write_npy(const std::filesystem::path& path, const at::Tensor& tensor);

}  // namespace saffron::inline sdk_v1
