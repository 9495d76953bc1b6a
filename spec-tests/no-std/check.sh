#!/bin/sh
# Builds the library, and sees that it cannot be built with the standard library.
set -eu
cd "$(dirname "$0")"
# That of the workspace, whose dependencies are the same: what they need to be compiled is there already.
target=../../target
log=$target/no-std-with-std.log

cargo build --target-dir "$target"

if cargo build --target-dir "$target" --features std 2>"$log"; then
    echo "it can be built with the standard library: this proves nothing" >&2
    exit 1
fi
if ! grep -q 'duplicate lang item `panic_impl`' "$log"; then
    cat "$log" >&2
    exit 1
fi
echo "mqtt5-codec and mqtt5-session-fsm need no standard library"
