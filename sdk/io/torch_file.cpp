#include "pickle.h"
#include "tensor_view.h"
#include "zip.h"

#include <saffron/archives.h>

#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <array>

// The container: a stored zip with one folder, in it data.pkl, version, byteorder, and a record
// data/KEY a storage (torch/serialization.py, caffe2/serialize/inline_container.h).

namespace saffron::inline sdk_v1 {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPickle = "/data.pkl";

struct Dtype {
  at::ScalarType type;
  std::string_view name;
  const char* storage;  // torch's class
};
constexpr std::array<Dtype, 10> kDtypes = {{{at::kFloat, "float32", "FloatStorage"},
                                            {at::kDouble, "float64", "DoubleStorage"},
                                            {at::kHalf, "float16", "HalfStorage"},
                                            {at::kBFloat16, "bfloat16", "BFloat16Storage"},
                                            {at::kLong, "int64", "LongStorage"},
                                            {at::kInt, "int32", "IntStorage"},
                                            {at::kShort, "int16", "ShortStorage"},
                                            {at::kChar, "int8", "CharStorage"},
                                            {at::kByte, "uint8", "ByteStorage"},
                                            {at::kBool, "bool", "BoolStorage"}}};

const Dtype& dtype_of(std::string_view name) {
  return *std::find_if(kDtypes.begin(), kDtypes.end(),
                       [&](const Dtype& dtype) { return dtype.name == name; });
}

const Dtype& dtype_of(const at::Tensor& tensor, const std::string& name) {
  for (const Dtype& dtype : kDtypes) {
    if (dtype.type == tensor.scalar_type()) return dtype;
  }
  throw Error(cat("cannot write tensor ", io_detail::show(name), ": ",
                  c10::toString(tensor.scalar_type()), " is not written in torch's files"))
      .with_help("convert it to float32 first");
}

const io_detail::ZipEntry* find_entry(const std::vector<io_detail::ZipEntry>& entries,
                                      const std::string& name) {
  for (const io_detail::ZipEntry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

// Files of torch.save before 1.6 are no archives but pickles.
bool is_bare_pickle(std::span<const std::byte> file) {
  return file.size() > 1 && std::to_integer<int>(file[0]) == 0x80 &&
         std::to_integer<int>(file[1]) <= 5;
}

// ---- writing ----

// Python's protocol 2.
class PickleWriter {
 public:
  PickleWriter() { out_ = "\x80\x02}("; }
  void add(const std::string& name, const at::Tensor& tensor, std::size_t key) {
    string(name);
    global("torch._utils", "_rebuild_tensor_v2");
    out_ += "((";
    string("storage");
    global("torch", dtype_of(tensor, name).storage);
    string(std::to_string(key));
    string("cpu");
    integer(tensor.numel());
    out_ += "tQ";
    integer(0);
    tuple(tensor.sizes());
    tuple(tensor.strides());
    out_ += '\x89';  // requires_grad = False
    global("collections", "OrderedDict");
    out_ += ")RtR";
  }
  [[nodiscard]] std::string finish() { return out_ + "u."; }

 private:
  template <class T>
  void raw(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void string(const std::string& text) {
    out_ += 'X';
    raw(static_cast<std::uint32_t>(text.size()));
    out_ += text;
  }
  void global(const char* module, const char* name) { out_ += cat('c', module, '\n', name, '\n'); }
  void integer(std::int64_t number) {
    out_ += "\x8a\x08";
    raw(number);
  }
  void tuple(at::IntArrayRef numbers) {
    out_ += '(';
    for (const std::int64_t number : numbers) integer(number);
    out_ += 't';
  }

  std::string out_;
};

}  // namespace

struct TorchFile::Entry {
  io_detail::PickledTensor tensor;
  std::optional<io_detail::ZipEntry> storage;  // none for a storage without elements
};

TorchFile::TorchFile(const ByteView& file, std::string source, std::vector<TensorInfo> tensors,
                     std::vector<Entry> entries)
    : TensorReader(std::move(source), std::move(tensors)),
      file_(file),
      entries_(std::move(entries)) {}
TorchFile::~TorchFile() = default;
TorchFile::TorchFile(TorchFile&&) noexcept = default;

TorchFile TorchFile::open(const fs::path& path) {
  const auto mapped = MappedFile::open(path);
  return parse({mapped->bytes(), mapped}, path.string());
}

TorchFile TorchFile::parse(const ByteView& file, std::string source) {
  if (is_bare_pickle(file.bytes)) {
    throw io_detail::bad(source, "is a pickle and no archive, as torch.save wrote before 1.6")
        .with_help("load it in Python and torch.save it again");
  }
  const auto zipped = io_detail::zip_entries(file.bytes, source);
  const auto pickle = std::find_if(zipped.begin(), zipped.end(), [](const auto& entry) {
    return std::string_view(entry.name).ends_with(kPickle);
  });
  if (pickle == zipped.end()) {
    throw io_detail::bad(source, "holds no data.pkl: torch.save did not write this archive");
  }
  const std::string folder = pickle->name.substr(0, pickle->name.size() - kPickle.size());
  if (const auto* order = find_entry(zipped, folder + "/byteorder"); order != nullptr) {
    const ByteView text = io_detail::zip_read(file.bytes, source, *order);
    if (text.bytes.size() == 3) throw io_detail::bad(source, "is big-endian");
  }
  const ByteView program = io_detail::zip_read(file.bytes, source, *pickle);
  std::vector<TensorInfo> infos;
  std::vector<Entry> entries;
  for (io_detail::PickledTensor& tensor : io_detail::parse_state_dict(program.bytes, source)) {
    Entry entry;
    const std::uint64_t item = io_detail::torch_item_size(tensor.dtype);
    std::uint64_t bytes = 0;
    const bool fits =
        !__builtin_mul_overflow(static_cast<std::uint64_t>(tensor.elements), item, &bytes);
    if (tensor.elements > 0) {
      const std::string record = cat(folder, "/data/", tensor.storage);
      const auto* found = find_entry(zipped, record);
      if (found == nullptr || !fits || found->bytes != bytes) {
        throw io_detail::bad(
            source, cat("tensor ", io_detail::show(tensor.name), " needs ", tensor.elements,
                        " elements of ", tensor.dtype, " in record ", io_detail::show(record),
                        found == nullptr ? ", which is not there"
                                         : cat(", which has ", found->bytes, " bytes")));
      }
      entry.storage = *found;
    }
    TensorInfo info;
    info.name = tensor.name;
    info.dtype = tensor.dtype;
    info.shape = tensor.sizes;
    info.bytes = io_detail::element_count(tensor.sizes).value_or(0) * item;
    infos.push_back(std::move(info));
    entry.tensor = std::move(tensor);
    entries.push_back(std::move(entry));
  }
  std::vector<std::string_view> names;
  for (const TensorInfo& info : infos) names.push_back(info.name);
  io_detail::check_unique(source, "tensor", std::move(names));
  return {file, std::move(source), std::move(infos), std::move(entries)};
}

at::Tensor TorchFile::tensor(std::string_view name) const {
  const Entry& entry = entries_[index_of(name)];
  const io_detail::PickledTensor& tensor = entry.tensor;
  const ByteView bytes =
      entry.storage ? io_detail::zip_read(file_.bytes, path(), *entry.storage) : ByteView{};
  const io_detail::TensorLayout storage{0, {tensor.elements}, dtype_of(tensor.dtype).type};
  return io_detail::view_tensor(bytes, storage, path(), cat("tensor ", io_detail::show(name)))
      .as_strided(tensor.sizes, tensor.strides, tensor.offset);
}

at::Tensor TorchFile::rows(std::string_view name, std::int64_t begin, std::int64_t count) const {
  io_detail::check_rows(path(), info(name), begin, count);
  return tensor(name).narrow(0, begin, count);
}

void write_torch(const fs::path& path, const NamedTensors& tensors) {
  std::vector<std::string_view> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  io_detail::check_unique(path.string(), "tensor", std::move(names));
  PickleWriter pickle;
  std::vector<at::Tensor> storages;
  for (const auto& [name, tensor] : tensors) {
    storages.push_back(io_detail::plain(tensor, cat("tensor ", io_detail::show(name))));
    pickle.add(name, storages.back(), storages.size() - 1);
  }
  AtomicFile file(path);
  // The archive's writer ends itself in its destructor, and must not meet an error there: the first one
  // waits until it is done.
  std::exception_ptr refused;
  const auto sink = [&](const void* bytes, std::size_t size) {
    try {
      if (!refused) file.write(std::span(static_cast<const std::byte*>(bytes), size));
    } catch (...) {
      refused = std::current_exception();
    }
    return size;
  };
  {
    caffe2::serialize::PyTorchStreamWriter archive(sink);
    const std::string program = pickle.finish(), order = "little";
    archive.writeRecord("data.pkl", program.data(), program.size());
    archive.writeRecord("byteorder", order.data(), order.size());
    for (std::size_t i = 0; i < storages.size(); ++i) {
      archive.writeRecord(cat("data/", i), storages[i].const_data_ptr(), storages[i].nbytes());
    }
    archive.writeEndOfFile();
  }
  if (refused) std::rethrow_exception(refused);
  file.commit();
}

}  // namespace saffron::inline sdk_v1
