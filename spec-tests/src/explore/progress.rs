//! A line on stderr for those who wait.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Says how far it is, at most once in a second. On a terminal the line replaces itself.
#[derive(Debug)]
pub(super) struct Progress {
    on: bool,
    started: Instant,
    last: Instant,
    written: bool,
}

impl Progress {
    pub(super) fn new(on: bool) -> Self {
        let now = Instant::now();
        Self {
            on,
            started: now,
            last: now,
            written: false,
        }
    }

    /// Writes the line if it is time to. Gets the time since the beginning.
    pub(super) fn tick(&mut self, line: impl FnOnce(Duration) -> String) {
        if !self.on || self.last.elapsed() < Duration::from_secs(1) {
            return;
        }
        self.last = Instant::now();
        let line = line(self.started.elapsed());
        let mut out = stderr().lock();
        // Nobody to tell is no reason to stop.
        let _ = if out.is_terminal() {
            self.written = true;
            write!(out, "\r\x1b[K{line}")
        } else {
            writeln!(out, "{line}")
        };
    }

    /// Leaves the cursor at the beginning of an empty line.
    pub(super) fn finish(&mut self) {
        if self.written {
            self.written = false;
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
