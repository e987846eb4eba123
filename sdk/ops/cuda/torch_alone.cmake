# The target torch_alone: a LibTorch with CUDA, for programs that are built without the rest of the
# project. SAFFRON_TORCH_ROOT is <site-packages>/torch. find_package(Torch) would ask for all of the
# CUDA toolkit; the wheel brings what it needs of it.
set(SAFFRON_TORCH_ROOT "" CACHE PATH "<site-packages>/torch of a wheel with CUDA")
if(EXISTS "${SAFFRON_TORCH_ROOT}/lib/libtorch_cuda.so")
  add_library(torch_alone INTERFACE)
  target_include_directories(torch_alone SYSTEM INTERFACE
    "${SAFFRON_TORCH_ROOT}/include" "${SAFFRON_TORCH_ROOT}/include/torch/csrc/api/include")
  # Nothing refers to libtorch_cuda; it registers its operators when it is loaded.
  target_link_libraries(torch_alone INTERFACE
    -Wl,--no-as-needed -Wl,--allow-shlib-undefined -Wl,-rpath,${SAFFRON_TORCH_ROOT}/lib
    "${SAFFRON_TORCH_ROOT}/lib/libtorch_cuda.so" "${SAFFRON_TORCH_ROOT}/lib/libtorch_cpu.so"
    "${SAFFRON_TORCH_ROOT}/lib/libtorch.so" "${SAFFRON_TORCH_ROOT}/lib/libc10_cuda.so"
    "${SAFFRON_TORCH_ROOT}/lib/libc10.so")
endif()
