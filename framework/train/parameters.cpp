#include "framework/train/parameters.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <malloc.h>
#include <sys/mman.h>

#include <memory>
#include <new>

namespace saffron::host {
namespace {

bool same_parameter(const ParameterSpec& a, const ParameterSpec& b) {
  return a.name == b.name && a.shape == b.shape && a.role == b.role &&
         a.constraint == b.constraint && a.frozen == b.frozen;
}

bool same_buffer(const BufferSpec& a, const BufferSpec& b) {
  return a.name == b.name && a.shape == b.shape && a.dtype == b.dtype && a.merge == b.merge &&
         a.initial == b.initial;
}

bool stackable(const SaeSpec& a, const SaeSpec& b) {
  return a.latents == b.latents && a.layout == b.layout &&
         std::equal(a.parameters.begin(), a.parameters.end(), b.parameters.begin(),
                    b.parameters.end(), same_parameter) &&
         std::equal(a.buffers.begin(), a.buffers.end(), b.buffers.begin(), b.buffers.end(),
                    same_buffer);
}

std::vector<std::int64_t> stacked(std::size_t members, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> out{static_cast<std::int64_t>(members)};
  out.insert(out.end(), shape.begin(), shape.end());
  return out;
}

// Large tensors lie on the system's large pages where it gives them (transparent huge pages on request):
// a step gathers rows of W from all over it, and with pages of 4 kB nearly every row costs a walk
// through the page tables. Mapped memory is 0 already, and takes room when it is first written to.
at::Tensor zeros(const std::vector<std::int64_t>& shape, at::ScalarType dtype) {
  constexpr std::size_t kLargePage = std::size_t{1} << 21;
  std::size_t bytes = c10::elementSize(dtype);
  for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
  if (bytes < kLargePage) return at::zeros(shape, dtype);
  const std::size_t mapped = bytes + kLargePage;
  void* const memory =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  void* aligned = memory;
  std::size_t space = mapped;
  std::align(kLargePage, bytes, aligned, space);
  (void)::madvise(aligned, bytes, MADV_HUGEPAGE);  // a wish
  return at::from_blob(
      aligned, shape, [memory, mapped](void*) { ::munmap(memory, mapped); }, dtype);
}

}  // namespace

ParameterStore::ParameterStore(const std::vector<SaeSpec>& specs, at::ScalarType dtype,
                               Moments moments)
    : stack_number_(specs.size()) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    members_.push_back(
        {.spec = specs[i], .parameters = {}, .buffers = {}, .first = {}, .second = {}});
    std::size_t stack = 0;
    while (stack < stacks_.size() && !stackable(specs[stacks_[stack].front()], specs[i])) ++stack;
    if (stack == stacks_.size()) stacks_.emplace_back();
    stacks_[stack].push_back(i);
    stack_number_[i] = stack;
  }
  for (const std::vector<std::size_t>& stack : stacks_) {
    const SaeSpec& spec = specs[stack.front()];
    const auto deal = [&](const at::Tensor& whole, const std::string& name,
                          Tensors Member::* where) {
      for (std::size_t e = 0; e < stack.size(); ++e) {
        (members_[stack[e]].*where).set(name, whole.select(0, static_cast<std::int64_t>(e)));
      }
    };
    for (const ParameterSpec& parameter : spec.parameters) {
      const auto shape = stacked(stack.size(), parameter.shape);
      deal(zeros(shape, dtype), parameter.name, &Member::parameters);
      if (parameter.frozen) continue;
      deal(zeros(shape, moments.dtype), parameter.name, &Member::first);
      if (moments.second) deal(zeros(shape, moments.dtype), parameter.name, &Member::second);
    }
    for (const BufferSpec& buffer : spec.buffers) {
      deal(at::full(stacked(stack.size(), buffer.shape), buffer.initial, buffer.dtype), buffer.name,
           &Member::buffers);
    }
  }
}

const std::vector<std::size_t>& ParameterStore::stack_of(std::size_t i) const {
  return stacks_[stack_number_[i]];
}

void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 1 << 25);  // the most that glibc takes
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

void give_back_freed_memory() { ::malloc_trim(0); }

}  // namespace saffron::host
