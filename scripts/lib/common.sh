# Sourced by the set-up scripts: messages, the lock, and files that are known by their SHA-256.

say() { printf 'setup: %s\n' "$*"; }

fail() {
  printf 'setup: %s\n' "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

# Two set-ups of one checkout take turns. The lock is this file, held open on the descriptor that
# SAFFRON_SETUP_LOCK names; it goes with the process. Scripts called by a holder inherit it.
take_turns() {
  [[ -n ${SAFFRON_SETUP_LOCK:-} ]] && return
  exec {SAFFRON_SETUP_LOCK}<"${BASH_SOURCE[0]}"
  export SAFFRON_SETUP_LOCK
  if ! flock --nonblock "$SAFFRON_SETUP_LOCK"; then
    say "another set-up is running here; waiting for it"
    flock "$SAFFRON_SETUP_LOCK"
  fi
}

# is_verified FILE SHA256: whether FILE has that digest. A file that was found good is hashed again
# only when its size, time or inode has changed since.
is_verified() {
  local file=$1 digest=$2 stamp known state actual
  [[ -s $file ]] || return 1
  stamp="$(dirname "$file")/.$(basename "$file").verified"
  state="$digest $(stat --format='%s %.9Y %i' "$file")"
  if [[ -f $stamp ]] && read -r known <"$stamp" && [[ $known == "$state" ]]; then return 0; fi
  actual=$(sha256sum <"$file")
  [[ ${actual%% *} == "$digest" ]] || return 1
  printf '%s\n' "$state" >"$stamp.partial"
  mv "$stamp.partial" "$stamp"
}
