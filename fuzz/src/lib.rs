//! Shared parts of the fuzz targets.
