#!/usr/bin/env python3
"""`saffron new-plugin`: a plugin of every kind is made, built against an installed Saffron, and used.

usage: test_new_plugin.py SOURCE_DIR BUILD_DIR

All of them in one CMake project, without optimisation. Works in BUILD_DIR/tests/new_plugin, always the
same folder, so that ccache finds what did not change; what it leaves there may be removed.
"""

import os
import pathlib
import shutil
import subprocess
import sys

KINDS = ("dataset", "model", "source", "sae", "regularizer", "scorer", "world", "comparator",
         "tokenizer", "objective", "format", "explainer", "judge")
WITHOUT_RECIPE = ("explainer", "judge")
CUDA = """cmake_minimum_required(VERSION 3.25)
project(squares LANGUAGES CXX)
find_package(Saffron REQUIRED)
saffron_add_plugin(squares SOURCES squares.cpp CUDA squares.cu {stub})
"""


def fail(text):
    sys.exit(f"new_plugin: {text}")


def run(*words, cwd, code=0):
    """What the command prints."""
    others = ("SAFFRON_PLUGIN_PATH", "XDG_DATA_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in others} | {"HOME": str(cwd)}
    if home := os.environ.get("HOME"):
        environment.setdefault("CCACHE_DIR", f"{home}/.cache/ccache")
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != code:
        fail(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout[-8000:]}")
    return done.stdout


def configure(folder, build, prefix, *options, **how):
    launcher = shutil.which("ccache")
    return run("cmake", "-S", folder, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
               "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0 -Wall -Wextra -Werror",
               *([f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}"] if launcher else []), *options,
               cwd=folder, **how)


def make_all(work, saffron, prefix):
    """A plugin of each kind, KIND_of_mine, and a project that builds each into its own build/."""
    lines = ["cmake_minimum_required(VERSION 3.25)", "project(all LANGUAGES CXX)",
             "enable_testing()", "find_package(Saffron REQUIRED)"]
    for kind in KINDS:
        name = f"{kind}_of_mine"
        said = run(saffron, "new-plugin", name, "--kind", kind, cwd=work)
        for line in (f"cmake -B build -DCMAKE_PREFIX_PATH={prefix}", f"cd {name}"):
            if f"\n  {line}\n" not in said:
                fail(f"{kind}: '{line}' is not among what comes next:\n{said}")
        if (work / name / f"{name}.toml").exists() == (kind in WITHOUT_RECIPE):
            fail(f"{kind}: a recipe is there or not, against expectation")
        lines.append(f"add_subdirectory({name} {work / name}/build)")
    (work / "CMakeLists.txt").write_text("\n".join(lines) + "\n")


def use(kind, work, saffron):
    name, folder = f"{kind}_of_mine", work / f"{kind}_of_mine"
    shown = run(saffron, "inspect", kind, name, "--plugin-path", "build", cwd=folder)
    if f"from org.example.{name} 0.1.0" not in shown:
        fail(f"{kind}: inspect shows\n{shown}")
    if kind in WITHOUT_RECIPE:
        return
    checked = run(saffron, "check", f"{name}.toml", cwd=folder)
    if "no errors" not in checked or "warning" in checked:
        fail(f"{kind}: check says\n{checked}")
    ran = run(saffron, "run", f"{name}.toml", cwd=folder)
    if not list(folder.glob("runs/*/report.html")):
        fail(f"{kind}: the run left no report\n{ran}")
    if kind == "format":
        (finished,) = folder.glob("runs/*")
        run(saffron, "export", finished, "exported", "--format", name, "--plugin-path", "build",
            cwd=folder)
        if not (folder / "exported" / "sae.safetensors").exists():
            fail("format: nothing was exported")


def test(work):
    """Each test program at once, as ctest would start it a hundred times; and what ctest would do."""
    for kind in KINDS:
        name = f"{kind}_of_mine"
        said = run(work / name / "build" / f"{name}_test", "--gtest_brief=1", cwd=work / name)
        if "PASSED" not in said:
            fail(f"{kind}: no test passed\n{said}")
    run("ctest", "--test-dir", "build", "-R", r"\.conformance$", "--output-on-failure", cwd=work)
    listed = run("ctest", "--test-dir", "build", "-N", cwd=work)
    for kind in KINDS:
        name = f"{kind}_of_mine"
        for case in (f"{name}.conformance\n", f"{name}.Plugin/Conformance.Holds/{kind}_{name}_"):
            if case not in listed:
                fail(f"{kind}: ctest has no test {case}")


def build_cuda(source, work, saffron, prefix):
    """With nvcc where it is there; without it from the sources that stand in, or not at all."""
    folder = work / "cuda"
    shutil.copytree(source / "tests/fixtures/out_of_tree_cuda", folder)
    lists, none = folder / "CMakeLists.txt", "-DCMAKE_CUDA_COMPILER=NOTFOUND"
    lists.write_text(CUDA.format(stub=""))
    said = configure(folder, "refused", prefix, none, code=1)
    if "WITHOUT_CUDA stub.cpp" not in said:
        fail(f"CUDA sources without a compiler:\n{said}")
    lists.write_text(CUDA.format(stub="WITHOUT_CUDA without_cuda.cpp"))
    ways = {"without": [none]} | ({"with": []} if shutil.which("nvcc") else {})
    for build, options in ways.items():
        said = configure(folder, build, prefix, *options)
        if ("built without CUDA" in said) != (build == "without"):
            fail(f"{build} a CUDA compiler, configuring says\n{said}")
        run("cmake", "--build", build, cwd=folder)
        library = f"{build}/libsquares.so"
        run(saffron, "inspect", "regularizer", "squares", "--plugin-path", build, cwd=folder)
        exported = run("nm", "-D", "--defined-only", library, cwd=folder).split()[2::3]
        if exported != ["saffron_plugin_entry"]:
            fail(f"{library} exports {exported}")
        kernel = b"nv_fatbin" in (folder / library).read_bytes()
        if kernel != (build == "with"):
            fail(f"{library}: {'a' if kernel else 'no'} kernel in it")


def main():
    source, build = map(pathlib.Path, sys.argv[1:])
    work = build / "tests" / "new_plugin"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    prefix = work / "prefix"
    run("cmake", "--install", build, "--prefix", prefix, cwd=work)
    saffron = prefix / "bin" / "saffron"

    make_all(work, saffron, prefix)
    configure(work, "build", prefix)
    run("cmake", "--build", "build", cwd=work)
    for kind in KINDS:
        use(kind, work, saffron)
    test(work)
    build_cuda(source, work, saffron, prefix)
    print(f"{len(KINDS)} plugins made, built and used")


if __name__ == "__main__":
    main()
