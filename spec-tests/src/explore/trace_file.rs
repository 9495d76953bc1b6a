//! A counterexample as a file that people can read and the engines can repeat.
//!
//! ```text
//! trace of mqtt5-spec-tests, version 1
//! world alternating-bit
//! config messages=2 losses=1
//! monitor delivery
//! message message 1 was delivered twice
//!
//! 0 1  # sender: sends DATA 0
//! -    # a step without a choice
//! stop faults
//! 2    # receiver: acknowledges
//! ```
//!
//! One line for a step: the choices, and what they meant when the file was written. Comments and
//! empty lines are ignored.

use std::fmt::{self, Write};
use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use super::log::Entry;
use super::trace::{Counterexample, Trace};
use super::world::{Violation, World};

const FIRST_LINE: &str = "trace of mqtt5-spec-tests, version 1";
const STOP_FAULTS: &str = "stop faults";
const NO_CHOICES: &str = "-";
const STRINGS_TAKE_ALL: &str = "writing to a string does not fail";

/// A counterexample with the configuration that it belongs to.
#[derive(Clone, Debug)]
pub struct TraceFile<W: World> {
    /// What to replay it in.
    pub config: W::Config,
    /// The run and the objection.
    pub counterexample: Counterexample,
}

/// Why a file is not a trace of this world.
#[derive(Debug)]
pub enum TraceFileError {
    /// It cannot be read.
    Io(io::Error),
    /// The line with this number (from 1) cannot be understood.
    Line(usize, String),
    /// Something is missing at the end.
    Missing(&'static str),
}

impl<W: World> TraceFile<W> {
    /// The text of the file. Makes the run again for the comments.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Counterexample { violation, trace } = &self.counterexample;
        let message = violation
            .message
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let mut out = format!(
            "{FIRST_LINE}\nworld {}\nconfig {}\nmonitor {}\nmessage {message}\n\n",
            W::NAME,
            self.config,
            violation.monitor,
        );
        let replay = self.counterexample.replay::<W>(&self.config);
        let remarks = remarks(replay.log.entries());
        for position in 0..=trace.steps.len() {
            if trace.faults_stopped_before == Some(position) {
                writeln!(out, "{STOP_FAULTS}").expect(STRINGS_TAKE_ALL);
            }
            if let Some(choices) = trace.steps.get(position) {
                let choices: Vec<String> = choices.iter().map(u16::to_string).collect();
                let choices = match choices.join(" ") {
                    none if none.is_empty() => NO_CHOICES.to_owned(),
                    some => some,
                };
                let remark = remarks.get(position).map_or("", String::as_str);
                writeln!(out, "{choices:<8}  # {remark}").expect(STRINGS_TAKE_ALL);
            }
        }
        out
    }

    /// Reads what [`TraceFile::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// If it is not a trace of this world.
    pub fn from_text(text: &str) -> Result<Self, TraceFileError> {
        let mut lines = (1..).zip(text.lines());
        let mut header = |key: &'static str| -> Result<(usize, String), TraceFileError> {
            let (number, line) = lines.next().ok_or(TraceFileError::Missing(key))?;
            let value = line.strip_prefix(key);
            let value = value.ok_or_else(|| wrong(number, format!("expected \"{key}\"")))?;
            Ok((number, value.trim().to_owned()))
        };
        header(FIRST_LINE)?;
        let (number, world) = header("world")?;
        if world != W::NAME {
            let reason = format!("a trace of the world {world}, not {}", W::NAME);
            return Err(wrong(number, reason));
        }
        let (number, config) = header("config")?;
        let config = W::Config::from_str(&config);
        let config = config.map_err(|error| wrong(number, error.to_string()))?;
        let (_, monitor) = header("monitor")?;
        let (_, message) = header("message")?;
        let mut trace = Trace::default();
        for (number, line) in lines {
            let line = line.split('#').next().unwrap_or("").trim();
            match line {
                "" => {}
                STOP_FAULTS => trace.faults_stopped_before = Some(trace.steps.len()),
                NO_CHOICES => trace.steps.push(Vec::new()),
                choices => {
                    let choices: Result<Vec<u16>, _> =
                        choices.split_whitespace().map(u16::from_str).collect();
                    let choices = choices.map_err(|error| wrong(number, error.to_string()))?;
                    trace.steps.push(choices);
                }
            }
        }
        // Few, short, and once in the life of a process: monitors are static everywhere else.
        let monitor = Box::leak(monitor.into_boxed_str());
        let violation = Violation { monitor, message };
        let counterexample = Counterexample { violation, trace };
        Ok(Self {
            config,
            counterexample,
        })
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.to_text())
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not a trace of this world.
    pub fn load(path: &Path) -> Result<Self, TraceFileError> {
        Self::from_text(&fs::read_to_string(path).map_err(TraceFileError::Io)?)
    }
}

impl fmt::Display for TraceFileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(out),
            Self::Line(number, reason) => write!(out, "line {number}: {reason}"),
            Self::Missing(what) => write!(out, "it ends before \"{what}\""),
        }
    }
}

impl std::error::Error for TraceFileError {}

fn wrong(number: usize, reason: String) -> TraceFileError {
    TraceFileError::Line(number, reason)
}

/// For each step what happened in it.
fn remarks(entries: &[Entry]) -> Vec<String> {
    let mut remarks: Vec<String> = Vec::new();
    for entry in entries {
        match (entry, remarks.last_mut()) {
            (Entry::Step(_), _) => remarks.push(String::new()),
            (Entry::FaultsStopped | Entry::Verdict(_), _) | (_, None) => {}
            (_, Some(remark)) => {
                if !remark.is_empty() {
                    remark.push_str("; ");
                }
                let text = entry.text();
                remark.extend(text.split_whitespace().flat_map(|word| [word, " "]));
                remark.truncate(remark.trim_end().len());
            }
        }
    }
    remarks
}
