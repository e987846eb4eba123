#pragma once

#include <saffron/io.h>

// Zip archives of named tensors: NumPy's .npz and what Python's torch.save writes of a dict of tensors.
// As io.h says of its readers: made for hostile files, threads may share them, a tensor keeps its bytes
// alive by itself.

namespace saffron::inline sdk_v1 {

// numpy.savez and savez_compressed: one npy a name. Opening reads all of it; tensors view those bytes.
class SAFFRON_EXPORT NpzFile : public TensorReader {
 public:
  [[nodiscard]] static NpzFile open(const std::filesystem::path& path);
  [[nodiscard]] static NpzFile parse(const ByteView& file, std::string source);

  [[nodiscard]] at::Tensor tensor(std::string_view name) const override;
  [[nodiscard]] at::Tensor rows(std::string_view name, std::int64_t begin,
                                std::int64_t count) const override;

 private:
  NpzFile(std::string source, std::vector<TensorInfo> tensors, std::vector<ByteView> arrays);

  std::vector<ByteView> arrays_;  // of each of tensors()
};

// Atomic, stored, the same bytes for the same tensors. Dtypes as write_npy.
SAFFRON_EXPORT void write_npz(const std::filesystem::path& path, const NamedTensors& tensors);

// A .npz or .safetensors file, by its extension; Error (invalid) for any other.
[[nodiscard]] SAFFRON_EXPORT std::unique_ptr<TensorReader> open_tensors(
    const std::filesystem::path& path);

// "tau[0][1][2]": an element of a tensor in words, of its position among all of them in order.
[[nodiscard]] SAFFRON_EXPORT std::string element_name(std::string_view tensor_name,
                                                      const at::Tensor& values,
                                                      std::int64_t position);

// torch.save of a state dict, by PyTorch 1.6 or later: a dict or OrderedDict from names to dense tensors
// (or parameters), whose pickle may hold nothing else that needs a Python class. No code of the file is
// run: the few things that such a pickle does are done here, and what is not among them is an Error.
// Values beside tensors (numbers, strings) are passed over; those of a dict within are "outer.inner".
// Opening reads the pickle; storages are read on use. dtype of TensorInfo: "float32", "int64".
class SAFFRON_EXPORT TorchFile : public TensorReader {
 public:
  struct Entry;

  [[nodiscard]] static TorchFile open(const std::filesystem::path& path);
  [[nodiscard]] static TorchFile parse(const ByteView& file, std::string source);
  ~TorchFile() override;
  TorchFile(TorchFile&&) noexcept;

  [[nodiscard]] at::Tensor tensor(std::string_view name) const override;
  [[nodiscard]] at::Tensor rows(std::string_view name, std::int64_t begin,
                                std::int64_t count) const override;

 private:
  TorchFile(const ByteView& file, std::string source, std::vector<TensorInfo> tensors,
            std::vector<Entry> entries);

  ByteView file_;
  std::vector<Entry> entries_;  // of each of tensors()
};

// Atomic. What torch.load(path, weights_only=True) gives back as a dict of tensors in this order.
SAFFRON_EXPORT void write_torch(const std::filesystem::path& path, const NamedTensors& tensors);

}  // namespace saffron::inline sdk_v1
