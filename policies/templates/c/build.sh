#!/bin/sh
# Makes build/{{name}}.wasm. CC: clang 14 or later, or "zig cc", or "python3 -m ziglang cc" (pip install ziglang).
# LD: wasm-component-ld, which comes with every Rust toolchain (or: cargo install wasm-component-ld, and lld).
set -eu
cd "$(dirname "$0")"
CC=${CC:-clang}
if [ -z "${LD:-}" ]; then
    bin=$(rustc --print target-libdir 2>/dev/null)/../bin
    if [ -x "$bin/wasm-component-ld" ]; then
        LD="$bin/wasm-component-ld --wasm-ld-path $bin/gcc-ld/wasm-ld"
    else
        LD=wasm-component-ld
    fi
fi

mkdir -p build
for source in rule json runtime bindings/policy; do
    $CC -target wasm32-freestanding -std=c11 -Os -ffreestanding -Wall -Wextra -Wno-unused-parameter -Iinclude \
        -c "$source.c" -o "build/$(basename "$source").o"
done
# --strip-debug instead keeps the names of functions, for the backtraces of `restante policy test`.
$LD --no-entry --strip-all --gc-sections -z stack-size=65536 -o "build/{{name}}.wasm" \
    build/rule.o build/json.o build/runtime.o build/policy.o bindings/policy_component_type.o
rm -f build/*.o
