#include "testing/drivers/kinds.h"
#include "testing/drivers/toy_folder.h"
#include "testing/made.h"

#include <saffron/io.h>
#include <saffron/testing/toys.h>

#include <ATen/ops/empty.h>

#include <stdlib.h>

#include <algorithm>
#include <cstring>

namespace saffron::testing {
namespace fs = std::filesystem;
namespace {

at::Tensor bytes_of(const fs::path& file) {
  const std::string bytes = read_text(file);
  at::Tensor out = at::empty({static_cast<std::int64_t>(bytes.size())}, at::kByte);
  if (!bytes.empty()) std::memcpy(out.mutable_data_ptr(), bytes.data(), bytes.size());
  return out;
}

// Writes the toy SAE, looks at what is there, and reads it.
class FormatDriver final : public DriverOf<Format> {
 public:
  using DriverOf::DriverOf;

  [[nodiscard]] Observed use(Inputs& inputs) override {
    ToyWeights toy(inputs.variant().data);
    for (const auto& [name, tensor] : toy.trained->parameters) inputs.watch(name, tensor);
    CanonicalSae& weights = toy.canonical;
    for (const auto& [name, tensor] : {std::pair{"W_enc", &weights.W_enc},
                                       {"b_enc", &weights.b_enc},
                                       {"W_dec", &weights.W_dec},
                                       {"b_dec", &weights.b_dec}}) {
      *tensor = inputs.give(cat("canonical ", name), *tensor);
    }
    const ToyFolder folder;
    write_toy(*component_, toy, folder / "sae");
    Observed out;
    for (const fs::path& file : files_below(folder.path())) {
      out.note("file " + fs::relative(file, folder.path()).string(), bytes_of(file));
    }
    out.add("recognised", component_->recognises(folder / "sae") ? "yes" : "no");
    const CanonicalSae back = component_->read(folder / "sae");
    out.add("W_enc", back.W_enc);
    out.add("b_enc", back.b_enc);
    out.add("W_dec", back.W_dec);
    out.add("b_dec", back.b_dec);
    out.add("threshold", back.threshold);
    out.add("activation", back.activation);
    return out;
  }
};

}  // namespace

ToyFolder::ToyFolder() {
  std::string name = (fs::temp_directory_path() / "saffron-conformance-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorKind::io, cat("cannot make a folder such as ", name));
  }
  path_ = name;
}

ToyFolder::~ToyFolder() {
  std::error_code ignored;  // a file that cannot be removed is no fault of the component
  fs::remove_all(path_, ignored);
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

ToyWeights::ToyWeights(std::uint64_t seed) : trained(toy_sae("toy", seed)) {
  canonical = dynamic_cast<const Exportable&>(*trained->sae).canonical();
}

CanonicalSae copied(const CanonicalSae& sae) {
  CanonicalSae out = sae;
  for (at::Tensor* tensor : {&out.W_enc, &out.b_enc, &out.W_dec, &out.b_dec, &out.threshold,
                             &out.W_skip, &out.b_gate, &out.b_mag, &out.r_mag, &out.input_mean,
                             &out.input_scale, &out.output_mean, &out.output_scale}) {
    if (tensor->defined()) *tensor = tensor->clone();
  }
  return out;
}

void write_toy(const Format& format, const ToyWeights& toy, const std::string& folder) {
  try {
    format.write(*toy.trained, toy.canonical, folder);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid) throw;
    skip(cat("refuses the toy SAE, relu(x W_enc + b_enc) W_dec + b_dec: ", error.message()));
  }
}

const KindDriver kFormatDriver{Format::kKind, {.strided = true}, drive_or_skip<FormatDriver>};

}  // namespace saffron::testing
