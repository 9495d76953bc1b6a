#!/bin/sh
# The compiler of a build with the deliberate faults: they are in this workspace alone, so what it depends on is that of
# other builds.
exec "$@" --cfg mqtt5_faults
