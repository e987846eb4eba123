#pragma once

#include <saffron/io.h>
#include <saffron/sae.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace saffron::inline sdk_v1 {

// Another library's files for a trained SAE, both ways. A path names the folder, or the file of
// weights in it. write is atomic: a folder that exists is whole, and one that a write could not
// finish is gone. A bias that is undefined means 0. Error (data) with file and tensor for content
// that does not fit; Error (invalid) for an SAE that the format cannot express; Error (io) for what
// the system refuses.
class SAFFRON_EXPORT Format {
 public:
  static constexpr const char* kKind = "format";
  static constexpr const char* kInterface = "saffron.format/1";
  using Interface = Format;

  Format() = default;
  Format(const Format&) = delete;
  Format& operator=(const Format&) = delete;
  virtual ~Format();

  [[nodiscard]] virtual bool recognises(const std::string& path) const = 0;
  [[nodiscard]] virtual CanonicalSae read(const std::string& path) const = 0;
  virtual void write(const TrainedSae& sae, const CanonicalSae& weights,
                     const std::string& folder) const = 0;
};

// ---- for writers ----------------------------------------------------------------------------------

// The same SAE on raw activations, with every tensor that its activation needs (b_enc and b_dec zeros
// where there is none), without input_ and output_mean and scale. With a row x = (a - m) s, and
// xhat = (ahat - m') s':
//
//   W_enc' = diag(s) W_enc    W_dec' = W_dec diag(1/s')    W_skip' = diag(s) W_skip diag(1/s')
//
// and where it predicts what it reads and has no W_skip, b_dec is subtracted, so that the mean goes
// before any product:
//   b_dec' = b_dec / s + m        b_enc' = b_enc, and + b_dec W_enc where b_dec was not subtracted
// else it is not:
//   b_dec' = b_dec / s' + m' - m W_skip'    b_enc' = b_enc - m W_enc', and - b_dec W_enc where it was
//
// b_gate and b_mag move as b_enc does, b_mag by e^r_mag times as much. Without a normalisation nothing
// is computed. Error (invalid) where shapes do not fit one another or an activation lacks its own.
[[nodiscard]] SAFFRON_EXPORT CanonicalSae on_raw_activations(const CanonicalSae& sae);
// The same SAE with subtract_b_dec = false, or true (Error invalid where d_in is not d_out). To be called
// on what on_raw_activations gives.
[[nodiscard]] SAFFRON_EXPORT CanonicalSae without_subtraction(CanonicalSae sae);
[[nodiscard]] SAFFRON_EXPORT CanonicalSae with_subtraction(CanonicalSae sae);

// On the CPU, float32, contiguous: as files hold weights.
[[nodiscard]] SAFFRON_EXPORT at::Tensor stored(const at::Tensor& weights);

// A folder that appears under its name when it is whole: write into path(), then commit(). Without
// commit() the destructor removes it. Error (io) for a folder that exists or cannot be made.
class SAFFRON_EXPORT StagedFolder {
 public:
  explicit StagedFolder(const std::string& folder);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return staged_; }
  void commit();

 private:
  std::filesystem::path folder_, staged_;
};

// ---- for readers ----------------------------------------------------------------------------------

// The file of that name in a folder; or the path itself, where it is a file of that name.
[[nodiscard]] SAFFRON_EXPORT std::filesystem::path weights_file(const std::string& path,
                                                                const char* name);
// The tensor, contiguous and in memory of its own: float64 if it is, else float32. Error (data) with
// the file, its name, and the shape found and expected; -1 is any size. A scalar is {}.
[[nodiscard]] SAFFRON_EXPORT at::Tensor read_weights(const TensorReader& file,
                                                     std::string_view name,
                                                     std::initializer_list<std::int64_t> shape);
// Its transpose: the file holds [shape 1, shape 0].
[[nodiscard]] SAFFRON_EXPORT at::Tensor read_transposed(const TensorReader& file,
                                                        std::string_view name,
                                                        std::initializer_list<std::int64_t> shape);
// What `read` makes of the files in `folder`, on raw activations. A value of them that is not valid is
// Error (data).
[[nodiscard]] SAFFRON_EXPORT CanonicalSae read_checked(const std::filesystem::path& folder,
                                                       const std::function<CanonicalSae()>& read);

}  // namespace saffron::inline sdk_v1
