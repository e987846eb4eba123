#include "pickle.h"

#include <deque>
#include <unordered_map>

// The opcodes and what they do: Lib/pickletools.py of CPython.

namespace saffron::io_detail {
namespace {

constexpr std::size_t kLongestPrefix = 1000;  // of names in dicts within dicts: at most as deep

struct StorageType {
  std::string_view name;  // torch's class
  std::string_view dtype;
  std::uint64_t bytes;
};
constexpr StorageType kStorageTypes[] = {
    {"FloatStorage", "float32", 4}, {"DoubleStorage", "float64", 8},
    {"HalfStorage", "float16", 2},  {"BFloat16Storage", "bfloat16", 2},
    {"LongStorage", "int64", 8},    {"IntStorage", "int32", 4},
    {"ShortStorage", "int16", 2},   {"CharStorage", "int8", 1},
    {"ByteStorage", "uint8", 1},    {"BoolStorage", "bool", 1}};

// What stands on the machine's stack. Objects refer to one another as Python's do, by address.
struct Object {
  enum class Kind : std::uint8_t {
    other,  // a value that says nothing here: None, a float
    mark,
    integer,
    string,
    sequence,  // tuple or list: items
    dict,      // items: key, value, key, value
    global,    // text: "torch._utils._rebuild_tensor_v2"
    storage,   // text: key; type; number: elements
    tensor
  };
  Kind kind = Kind::other;
  std::int64_t number = 0;
  std::string_view text;
  const StorageType* type = nullptr;
  std::vector<Object*> items;
  PickledTensor tensor;
};

using Kind = Object::Kind;

class Machine {
 public:
  Machine(std::span<const std::byte> pickle, std::string_view source)
      : cursor_(pickle, source), source_(source) {}

  const Object& run() {
    if (take<std::uint8_t>() != 0x80) fail("does not start with a protocol");
    if (const int protocol = take<std::uint8_t>(); protocol != 2 && protocol != 3) {
      throw bad(source_, cat("the pickle is of protocol ", protocol))
          .with_help("torch.save writes protocol 2, which is read, unless told otherwise");
    }
    for (;;) {
      const auto opcode = take<std::uint8_t>();
      if (opcode == '.') return pop(Kind::dict, "a dict of tensors");
      if (!value(opcode) && !container(opcode) && !memory(opcode) && !call(opcode)) {
        fail(cat("has the opcode ", int{opcode}, " at byte ", cursor_.position() - 1,
                 ", which no state dict of tensors needs"));
      }
    }
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw bad(source_, cat("the pickle ", what));
  }

  template <class T>
  T take() {
    return cursor_.take<T>("the pickle's next opcode");
  }
  std::string_view text(std::uint64_t length) { return cursor_.text(length, "a string"); }
  std::string_view line() {
    std::uint64_t length = 0;
    Cursor ahead = cursor_;
    while (ahead.take<char>("a line of the pickle") != '\n') ++length;
    const std::string_view found = cursor_.text(length, "a line of the pickle");
    cursor_.skip(1, 1, "the line's end");
    return found;
  }

  Object& push(Kind kind) {
    Object& object = objects_.emplace_back();
    object.kind = kind;
    stack_.push_back(&object);
    return object;
  }
  void push_integer(std::int64_t number) { push(Kind::integer).number = number; }
  Object& top() {
    if (stack_.empty() || stack_.back()->kind == Kind::mark) fail("takes from an empty stack");
    return *stack_.back();
  }
  Object& pop() {
    Object& object = top();
    stack_.pop_back();
    return object;
  }
  Object& pop(Kind kind, std::string_view wanted) {
    Object& object = pop();
    if (object.kind != kind) fail(cat("has something else where ", wanted, " should be"));
    return object;
  }
  // What was pushed since the last mark.
  std::vector<Object*> pop_marked() {
    std::size_t start = stack_.size();
    while (start > 0 && stack_[start - 1]->kind != Kind::mark) --start;
    if (start == 0) fail("has no mark where one should be");
    std::vector<Object*> out(stack_.begin() + static_cast<std::ptrdiff_t>(start), stack_.end());
    stack_.resize(start - 1);
    return out;
  }
  void push_tuple(std::size_t size) {
    std::vector<Object*> items(size);
    for (std::size_t i = size; i > 0; --i) items[i - 1] = &pop();
    push(Kind::sequence).items = std::move(items);
  }

  bool value(std::uint8_t opcode) {
    switch (opcode) {
      case 'N': push(Kind::other); return true;
      case 0x88: push_integer(1); return true;  // True
      case 0x89: push_integer(0); return true;
      case 'K': push_integer(take<std::uint8_t>()); return true;
      case 'M': push_integer(take<std::uint16_t>()); return true;
      case 'J': push_integer(take<std::int32_t>()); return true;
      case 0x8a: push_integer(long_integer()); return true;
      case 'G':
        take<double>();
        push(Kind::other);
        return true;
      case 'X': {
        const auto length = take<std::uint32_t>();
        push(Kind::string).text = text(length);
        return true;
      }
      default: return false;
    }
  }

  // Two's complement, little-endian, as short as it can be.
  std::int64_t long_integer() {
    const auto length = take<std::uint8_t>();
    if (length > 8) fail("has an integer of more than 64 bits");
    std::uint64_t number = 0;
    for (int i = 0; i < length; ++i) number |= std::uint64_t{take<std::uint8_t>()} << (8 * i);
    const bool negative = length > 0 && length < 8 && (number >> (8 * length - 1)) != 0;
    return static_cast<std::int64_t>(negative ? number | (~std::uint64_t{0} << (8 * length))
                                              : number);
  }

  bool container(std::uint8_t opcode) {
    switch (opcode) {
      case '(': push(Kind::mark); return true;
      case ')':
      case ']': push(Kind::sequence); return true;
      case '}': push(Kind::dict); return true;
      case 't': {
        std::vector<Object*> items = pop_marked();
        push(Kind::sequence).items = std::move(items);
        return true;
      }
      case 0x85:
      case 0x86:
      case 0x87: push_tuple(opcode - 0x84U); return true;
      case 'a': {
        Object& item = pop();
        extend(Kind::sequence, {&item});
        return true;
      }
      case 'e': {
        const std::vector<Object*> items = pop_marked();
        extend(Kind::sequence, items);
        return true;
      }
      case 's': {
        Object& item = pop();
        Object& key = pop();
        extend(Kind::dict, {&key, &item});
        return true;
      }
      case 'u': {
        const std::vector<Object*> items = pop_marked();
        if (items.size() % 2 != 0) fail("sets a key without a value");
        extend(Kind::dict, items);
        return true;
      }
      default: return false;
    }
  }

  void extend(Kind kind, const std::vector<Object*>& items) {
    if (top().kind != kind) fail("adds an item to what holds none");
    top().items.insert(top().items.end(), items.begin(), items.end());
  }

  bool memory(std::uint8_t opcode) {
    switch (opcode) {
      case 'q': memo_[take<std::uint8_t>()] = &top(); return true;
      case 'r': memo_[take<std::uint32_t>()] = &top(); return true;
      case 'h': recall(take<std::uint8_t>()); return true;
      case 'j': recall(take<std::uint32_t>()); return true;
      default: return false;
    }
  }
  void recall(std::uint32_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) fail(cat("asks for memo ", place, ", which it never set"));
    stack_.push_back(found->second);
  }

  bool call(std::uint8_t opcode) {
    switch (opcode) {
      case 'c': {
        const std::string_view module = line(), name = line();
        push_global(module, name);
        return true;
      }
      case 'R': {
        const Object& arguments = pop(Kind::sequence, "the arguments of a call");
        reduce(pop(Kind::global, "the function of a call").text, arguments.items);
        return true;
      }
      case 'b': {  // attributes, such as a state dict's _metadata
        pop();
        if (top().kind != Kind::dict) fail("sets attributes of what is no dict");
        return true;
      }
      case 'Q': push_storage(pop(Kind::sequence, "a storage's description").items); return true;
      default: return false;
    }
  }

  void push_global(std::string_view module, std::string_view name) {
    const auto is = [&](std::string_view m, std::string_view n) {
      return module == m && name == n;
    };
    const StorageType* storage = nullptr;
    for (const StorageType& type : kStorageTypes) {
      if (is("torch", type.name)) storage = &type;
    }
    if (storage == nullptr && !is("collections", "OrderedDict") && !is("torch", "Size") &&
        !is("torch._utils", "_rebuild_tensor_v2") && !is("torch._utils", "_rebuild_parameter")) {
      throw bad(source_, cat("the pickle asks for ", show(cat(module, '.', name)),
                             ", which no state dict of dense tensors needs"))
          .with_help("save the tensors alone: torch.save(model.state_dict(), path)");
    }
    Object& object = push(Kind::global);
    object.text = name;
    object.type = storage;
  }

  void push_storage(const std::vector<Object*>& parts) {
    // ("storage", type, key, device, elements)
    if (parts.size() < 5 || parts[0]->text != "storage" || parts[1]->type == nullptr ||
        parts[2]->kind != Kind::string || parts[4]->kind != Kind::integer || parts[4]->number < 0) {
      fail("describes a storage in a way that is not known");
    }
    Object& object = push(Kind::storage);
    object.text = parts[2]->text;
    object.type = parts[1]->type;
    object.number = parts[4]->number;
  }

  void reduce(std::string_view function, const std::vector<Object*>& arguments) {
    if (function == "OrderedDict") {
      if (!arguments.empty()) fail("makes an OrderedDict of something");
      push(Kind::dict);
    } else if (function == "Size") {
      if (arguments.size() != 1 || arguments[0]->kind != Kind::sequence)
        fail("makes no torch.Size");
      stack_.push_back(arguments[0]);
    } else if (function == "_rebuild_parameter") {  // (tensor, requires_grad, hooks)
      if (arguments.empty() || arguments[0]->kind != Kind::tensor) fail("makes no parameter");
      stack_.push_back(arguments[0]);
    } else if (function == "_rebuild_tensor_v2") {
      rebuild(arguments);
    } else {
      fail(cat("calls ", show(function)));
    }
  }

  std::vector<std::int64_t> integers(const Object& object) const {
    if (object.kind != Kind::sequence || object.items.size() > kMaxDims) fail("has no such shape");
    std::vector<std::int64_t> out;
    for (const Object* item : object.items) {
      if (item->kind != Kind::integer || item->number < 0) fail("has a shape that is none");
      out.push_back(item->number);
    }
    return out;
  }

  // (storage, offset, sizes, strides, requires_grad, hooks)
  void rebuild(const std::vector<Object*>& parts) {
    if (parts.size() < 4 || parts[0]->kind != Kind::storage || parts[1]->kind != Kind::integer) {
      fail("makes a tensor in a way that is not known");
    }
    PickledTensor tensor;
    tensor.dtype = parts[0]->type->dtype;
    tensor.storage = parts[0]->text;
    tensor.elements = parts[0]->number;
    tensor.offset = parts[1]->number;
    tensor.sizes = integers(*parts[2]);
    tensor.strides = integers(*parts[3]);
    check_extent(tensor);
    push(Kind::tensor).tensor = std::move(tensor);
  }

  void check_extent(const PickledTensor& tensor) const {
    const auto outside = [&] {
      fail(cat("has a tensor of shape ", shape_text(tensor.sizes), ", strides ",
               shape_text(tensor.strides), " and offset ", tensor.offset, " in a storage of ",
               tensor.elements, " elements"));
    };
    if (tensor.sizes.size() != tensor.strides.size() || tensor.offset < 0) outside();
    const auto count = element_count(tensor.sizes);
    if (!count) outside();
    if (*count == 0) return;
    std::int64_t last = tensor.offset;
    for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
      std::int64_t span = 0;
      if (__builtin_mul_overflow(tensor.sizes[i] - 1, tensor.strides[i], &span) ||
          __builtin_add_overflow(last, span, &last)) {
        outside();
      }
    }
    // Strides of 0 would let a few bytes pass for any number of elements.
    if (last >= tensor.elements || *count > static_cast<std::uint64_t>(tensor.elements)) outside();
  }

  Cursor cursor_;
  std::string_view source_;
  std::deque<Object> objects_;  // their owner: addresses stay, and cycles are no matter
  std::vector<Object*> stack_;
  std::unordered_map<std::uint32_t, Object*> memo_;
};

// `budget`: how many more values may be looked at, as dicts may hold one another many times.
void collect(const Object& dict, const std::string& prefix, std::uint64_t& budget,
             std::string_view source, std::vector<PickledTensor>& out) {
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (budget-- == 0) throw bad(source, "the pickle has dicts within dicts without end");
    const Object &key = *dict.items[i], &value = *dict.items[i + 1];
    if (key.kind != Kind::string) continue;
    const std::string name = prefix + std::string(key.text);
    if (value.kind == Kind::dict && prefix.size() < kLongestPrefix) {
      collect(value, name + '.', budget, source, out);
    }
    if (value.kind != Kind::tensor) continue;
    out.push_back(value.tensor);
    out.back().name = name;
  }
}

}  // namespace

std::uint64_t torch_item_size(std::string_view dtype) {
  for (const StorageType& type : kStorageTypes) {
    if (type.dtype == dtype) return type.bytes;
  }
  return 1;
}

std::vector<PickledTensor> parse_state_dict(std::span<const std::byte> pickle,
                                            std::string_view source) {
  Machine machine(pickle, source);
  std::vector<PickledTensor> out;
  std::uint64_t budget = pickle.size();
  collect(machine.run(), "", budget, source, out);
  return out;
}

}  // namespace saffron::io_detail
