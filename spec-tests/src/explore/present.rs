//! What a program prints: report, counterexample as a chart, and where the trace was saved.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::chart;
use super::exhaustive::Exhaustive;
use super::report::Report;
use super::simulate::{Simulation, SimulationReport};
use super::trace::Counterexample;
use super::trace_file::{TraceFile, TraceFileError};
use super::world::World;

/// Where a counterexample goes, and how it is drawn.
#[derive(Clone, Debug, Default)]
pub struct Presentation {
    /// Save the trace of a counterexample here.
    pub trace: Option<PathBuf>,
    /// Draw it as Mermaid too.
    pub mermaid: bool,
}

/// Runs that minimisation may try.
const ATTEMPTS: usize = 20_000;

impl Presentation {
    /// Explores, prints the report, and the counterexample if there is one.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written, or the trace not be saved.
    pub fn explore<W: World>(
        &self,
        out: &mut impl Write,
        settings: &Exhaustive,
        config: &W::Config,
    ) -> io::Result<Report> {
        let report = settings.explore::<W>(config);
        write!(out, "{report}")?;
        if let Some(counterexample) = report.counterexample() {
            self.counterexample::<W>(out, config, counterexample)?;
        }
        Ok(report)
    }

    /// Simulates, prints the report, and the shortened counterexample if there is one.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written, or the trace not be saved.
    pub fn simulate<W: World>(
        &self,
        out: &mut impl Write,
        settings: &Simulation,
        config: &W::Config,
    ) -> io::Result<SimulationReport> {
        let report = settings.run::<W>(config);
        write!(out, "{report}")?;
        if let Some(failure) = &report.failure {
            writeln!(out, "again with   first seed {} and one run", failure.seed)?;
            let short = failure.counterexample.minimised::<W>(config, ATTEMPTS);
            let (from, to) = (
                failure.counterexample.trace.steps.len(),
                short.trace.steps.len(),
            );
            writeln!(out, "shortened    from {from} steps to {to}")?;
            self.counterexample::<W>(out, config, &short)?;
        }
        Ok(report)
    }

    /// Repeats the trace of a file and prints what happens. True if the world still does what the
    /// file complains about.
    ///
    /// # Errors
    ///
    /// If the file is not a trace of this world, or `out` cannot be written.
    pub fn replay<W: World>(
        &self,
        out: &mut impl Write,
        path: &Path,
    ) -> Result<bool, TraceFileError> {
        let file = TraceFile::<W>::load(path)?;
        let found = file.counterexample.is_reproduced::<W>(&file.config);
        let written = self.print_replay(out, &file, found);
        written.map_err(TraceFileError::Io)?;
        Ok(found)
    }

    fn print_replay<W: World>(
        &self,
        out: &mut impl Write,
        file: &TraceFile<W>,
        found: bool,
    ) -> io::Result<()> {
        let counterexample = &file.counterexample;
        let replay = counterexample
            .trace
            .replay::<W>(&file.config, super::Log::on());
        writeln!(out, "world        {} {}", W::NAME, file.config)?;
        writeln!(out, "expected     {}", counterexample.violation)?;
        let seen = match (&replay.violation, found) {
            (Some(violation), _) => violation.to_string(),
            (None, true) => "the same".to_owned(),
            (None, false) => "nothing wrong".to_owned(),
        };
        writeln!(out, "seen         {seen}")?;
        if !replay.fitted {
            writeln!(
                out,
                "             The world asks other questions than when this was saved."
            )?;
        }
        self.charts::<W>(out, replay.log.entries())
    }

    /// Prints the chart of a counterexample and saves its trace.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written, or the trace not be saved.
    pub fn counterexample<W: World>(
        &self,
        out: &mut impl Write,
        config: &W::Config,
        counterexample: &Counterexample,
    ) -> io::Result<()> {
        let replay = counterexample.replay::<W>(config);
        self.charts::<W>(out, replay.log.entries())?;
        if let Some(path) = &self.trace {
            let file = TraceFile::<W> {
                config: config.clone(),
                counterexample: counterexample.clone(),
            };
            file.save(path)?;
            writeln!(out, "\nThe trace is in {}.", path.display())?;
        }
        Ok(())
    }

    fn charts<W: World>(&self, out: &mut impl Write, entries: &[super::Entry]) -> io::Result<()> {
        write!(out, "\n{}", chart::text(W::LANES, entries))?;
        if self.mermaid {
            let mermaid = chart::mermaid(W::LANES, entries);
            write!(out, "\n```mermaid\n{mermaid}```\n")?;
        }
        Ok(())
    }
}
