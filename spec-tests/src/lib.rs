//! Formal test harness.
