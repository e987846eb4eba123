# Sourced by the set-up scripts: virtual environments with pinned wheels.
# Callers have sourced common.sh and stand in the repository's root.

torch_version=2.13.0
torch_cpu_index=https://download.pytorch.org/whl/cpu

# has_wheels VENV REQUIREMENT...: whether each `name==version` is wholly there.
has_wheels() {
  local venv=$1
  shift
  [[ -x $venv/bin/python ]] && "$venv/bin/python" -I scripts/lib/has_wheels.py "$@"
}

# make_venv VENV: creates it; one whose Python is gone or without pip is made anew.
make_venv() {
  local venv=$1
  if [[ -e $venv ]] && ! "$venv/bin/python" -I -m pip --version >/dev/null 2>&1; then
    say "$venv is broken; making it anew"
    rm -rf "$venv"
  fi
  if [[ ! -e $venv ]]; then
    python3 -m venv "$venv" || fail "python3 -m venv $venv failed" \
      "On Debian and Ubuntu the package python3-venv provides it."
  fi
}

# pip_install VENV ARGUMENT...: what an interrupted installation left (metadata without its RECORD)
# would make pip refuse, so it goes first.
pip_install() {
  local venv=$1 metadata
  shift
  for metadata in "$venv"/lib/python3.*/site-packages/*.dist-info; do
    if [[ -d $metadata && ! -e $metadata/RECORD ]]; then rm -rf "$metadata"; fi
  done
  "$venv/bin/python" -m pip install --disable-pip-version-check --no-input "$@"
}

# install_torch VENV: LibTorch is the CPU wheel of PyTorch. First from wherever pip is set up to
# look (a mirror or a folder of wheels may have it), then from PyTorch's own index of CPU wheels.
# PyPI has only the CUDA build (3 GB), which cannot be built against without the CUDA toolkit.
# A version pinned without "+cpu" accepts either, so that a CUDA build put there by hand is kept.
install_torch() {
  local venv=$1
  has_wheels "$venv" "torch==$torch_version" && return
  make_venv "$venv"
  say "LibTorch: PyTorch $torch_version for CPUs into $venv (about 200 MB)"
  # Files of an installation that was cut short would pass for the new one's; pip replaces them all.
  local request=(--force-reinstall "torch==$torch_version+cpu")
  pip_install "$venv" -qq --retries 1 --timeout 30 "${request[@]}" >/dev/null 2>&1 ||
    pip_install "$venv" -q --retries 1 --timeout 30 --index-url "$torch_cpu_index" "${request[@]}" ||
    fail "the CPU build of PyTorch $torch_version could not be installed (pip's message is above)" \
      "It comes from $torch_cpu_index, for Python 3.10 to 3.14; here is $("$venv/bin/python" --version)." \
      "With the wheel at hand:  $venv/bin/python -m pip install torch-$torch_version+cpu-....whl" \
      "With the CUDA toolkit:   $venv/bin/python -m pip install torch==$torch_version"
  has_wheels "$venv" "torch==$torch_version" ||
    fail "$venv does not hold a whole PyTorch $torch_version after its installation" \
      "Remove $venv and run this again."
}

# install_wheels VENV FILE [REQUIREMENT...]: the pinned requirements in FILE, without moving those
# given besides.
install_wheels() {
  local venv=$1 file=$2 pins
  shift 2
  mapfile -t pins < <(sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$file")
  has_wheels "$venv" "${pins[@]}" "$@" && return
  make_venv "$venv"
  say "${pins[*]} into $venv"
  pip_install "$venv" -qq --requirement "$file" "$@" ||
    fail "the wheels named in $file could not be installed (pip's message is above)"
  has_wheels "$venv" "${pins[@]}" "$@" ||
    fail "$venv lacks files after its installation" "Remove $venv and run this again."
}
