#!/usr/bin/env bash
# A plugin of one's own, built against an installed Saffron, is used by --set alone: nothing of Saffron
# is rebuilt. It works from a stripped file and after the prefix has been moved.
#
# usage: out_of_tree.sh SOURCE_DIR BUILD_DIR
set -euo pipefail
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "out_of_tree: $*" >&2; exit 1; }

cmake --install "$build" --prefix "$work/first" > "$work/install.log" || fail "$(cat "$work/install.log")"
for file in libsaffron_sdk.so libsaffron_host.so saffron/plugins/libtopk.so; do
  cmp "$build/lib/$file" "$work/first/lib/$file" || fail "installing changed $file, and so cache keys"
done
cmake -S "$source/tests/fixtures/out_of_tree" -B "$work/build" \
  -DCMAKE_BUILD_TYPE=Release "-DCMAKE_PREFIX_PATH=$work/first" > "$work/configure.log" 2>&1 \
  || fail "$(cat "$work/configure.log")"
before=$(find "$build" -name '*.so' -newer "$work/install.log" | wc -l)
[ "$before" = 0 ] || fail "installing rebuilt something"
cmake -S "$source/tests/fixtures/out_of_tree" -B "$work/nowhere" -DTorch_DIR=/nowhere \
  "-DCMAKE_PREFIX_PATH=$work/first" > "$work/nowhere.log" 2>&1 && fail "a Torch_DIR of nothing is taken"
tr -s '\n ' ' ' < "$work/nowhere.log" | grep -q "was not found in Torch_DIR, '/nowhere'" \
  || fail "$(cat "$work/nowhere.log")"
cmake --build "$work/build" > "$work/build.log" 2>&1 || fail "$(cat "$work/build.log")"
strip "$work/build/plugins/libmine.so"
mv "$work/first" "$work/moved"

cd "$work"
saffron=$work/moved/bin/saffron
run() {
  "$saffron" run --quiet "$source/tests/fixtures/out_of_tree/recipe.toml" --cache "" "$@"
}
run > plain.log || fail "the recipe does not run with Saffron's own plugins"
run --plugin-path "$work/build/plugins" \
    --set sae.student.use=soft_threshold --set sae.student.threshold=0.05 \
    --set train.all.regularizer.sparse.use=org.example.mine::hoyer > mine.log \
  || fail "the recipe does not run with the plugin"
[ "$(ls -d runs/*/ | wc -l)" = 2 ] || fail "expected two runs, got: $(ls runs)"
own=$(grep -l soft_threshold runs/*/resolved.toml) || fail "no run used soft_threshold"
grep -q '"terms":{"sparse":' "$(dirname "$own")/metrics.jsonl" || fail "the penalty was not applied"
"$saffron" inspect regularizer hoyer --plugin-path "$work/build/plugins" | grep -q 'Hoyer sparsity' \
  || fail "inspect does not describe the regularizer"

# What a regularizer refers to is part of what the SAE was trained with.
ids() {
  python3 - "$1" "$2" <<'END'
import struct, sys
header = "{'descr': '<i8', 'fortran_order': False, 'shape': (%s, 4), }" % sys.argv[2]
header = header.ljust(117) + "\n"
with open(sys.argv[1], "wb") as file:
    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
    file.write(struct.pack("<%dq" % (4 * int(sys.argv[2])), *([7] * 4 * int(sys.argv[2]))))
END
}
referring() {
  "$saffron" run "$source/tests/fixtures/out_of_tree/recipe.toml" --cache shared \
    --plugin-path "$work/build/plugins" --set dataset.d.use=tokens --set "dataset.d.files=['ids.npy']" \
    --set train.all.regularizer.sparse.use=scaled_l1 --set train.all.regularizer.sparse.data=d "$@"
}
ids ids.npy 3
referring --set name=three > three.log 2>&1 || fail "the referring recipe does not run: $(cat three.log)"
referring --set name=again > again.log 2>&1 || fail "$(cat again.log)"
grep -q 'from the cache' again.log || fail "the same training was not taken from the cache"
ids ids.npy 5
referring --set name=five > five.log 2>&1 || fail "$(cat five.log)"
! grep -q 'train.all student: from the cache' five.log \
  || fail "training was taken from the cache although its regularizer's dataset had changed"

# The same plugins in another place are the same plugins.
mv "$work/moved" "$work/elsewhere"
"$work/elsewhere/bin/saffron" run --quiet "$source/tests/fixtures/out_of_tree/recipe.toml" --cache "" \
  || fail "a finished run is refused after the prefix has been moved"
echo "an out-of-tree plugin works by --set, stripped, with a moved prefix"
