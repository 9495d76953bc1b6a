//! Measures all contenders in one process and prints how many times as long as
//! our codec each of them takes.

use std::time::Duration;

use mqtt5_benches::contender::{BoxedRun, Contender};
use mqtt5_benches::measure::{Comparison, Task};
use mqtt5_benches::{goals, mixed, ours, packets, peers, report};
use mqtt5_codec::ProtocolVersion;

const USAGE: &str = "\
usage: ratios [--decode] [--encode] [--stream] [--mqtt VERSION] [--seconds N] [--nanoseconds]
              [--markdown FILE]
       ratios --chart [--seconds N]

  --decode, --encode, --stream   measure only this (may be combined)
  --mqtt VERSION                 5 or 3.1.1, both by default
  --seconds N                    time for each row, 4 by default
  --nanoseconds                  print times instead of ratios
  --chart                        print packets per second of the stream of MQTT 5 as bars
  --markdown FILE                write the tables to FILE, too";

fn main() {
    let options = Options::from_arguments(std::env::args().skip(1)).unwrap_or_else(|problem| {
        eprintln!("{problem}\n\n{USAGE}");
        std::process::exit(2);
    });
    let text = options.measure();
    print!("{text}");
    if let Some(file) = options.markdown
        && let Err(error) = std::fs::write(&file, text)
    {
        eprintln!("cannot write {file}: {error}");
        std::process::exit(1);
    }
}

struct Options {
    versions: Vec<ProtocolVersion>,
    tasks: Vec<Task>,
    time_per_row: Duration,
    nanoseconds: bool,
    chart: bool,
    markdown: Option<String>,
}

impl Options {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            versions: vec![ProtocolVersion::V5_0, ProtocolVersion::V3_1_1],
            tasks: Vec::new(),
            time_per_row: Duration::from_secs(4),
            nanoseconds: false,
            chart: false,
            markdown: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--decode" => options.tasks.push(Task::Decode),
                "--encode" => options.tasks.push(Task::Encode),
                "--stream" => options.tasks.push(Task::Stream),
                "--mqtt" => {
                    options.versions = vec![match value()?.as_str() {
                        "5" => ProtocolVersion::V5_0,
                        "3.1.1" => ProtocolVersion::V3_1_1,
                        other => return Err(format!("there is no MQTT {other} here")),
                    }];
                }
                "--seconds" => {
                    options.time_per_row = value()?
                        .parse()
                        .ok()
                        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                        .ok_or("--seconds needs a number")?;
                }
                "--nanoseconds" => options.nanoseconds = true,
                "--chart" => options.chart = true,
                "--markdown" => options.markdown = Some(value()?),
                unknown => return Err(format!("unknown argument {unknown}")),
            }
        }
        if options.tasks.is_empty() {
            options.tasks = vec![Task::Decode, Task::Encode, Task::Stream];
        }
        Ok(options)
    }

    fn measure(&self) -> String {
        if self.chart {
            return report::chart(&self.stream(ProtocolVersion::V5_0));
        }
        let tables = self.versions.iter().map(|version| self.tables(*version));
        let mut text: String = tables.collect();
        if !self.versions.contains(&ProtocolVersion::V5_0) {
            return text;
        }
        let unchecked = std::iter::once(ours::CONTENDER)
            .chain(peers::ALL)
            .map(|contender| format!("**{}**: {}.", contender.name, contender.unchecked));
        text += &bullets("## What is not checked", unchecked);
        text + &report::leniency()
    }

    /// The tables of one version.
    fn tables(&self, version: ProtocolVersion) -> String {
        let table = if self.nanoseconds {
            report::nanoseconds
        } else {
            report::ratios
        };
        let mut text = String::new();
        let [mut decode, mut stream] = [const { Vec::new() }; 2];
        if self.tasks.contains(&Task::Decode) {
            decode = self.rows(version, Task::Decode, |contender, row| {
                contender.decode.map(|decode| decode(row))
            });
            text += &format!("## Decode, {version}\n\n{}\n", table(&decode));
        }
        if self.tasks.contains(&Task::Encode) {
            let encode = self.rows(version, Task::Encode, |contender, row| {
                contender.encode.map(|encode| encode(row))
            });
            text += &format!("## Encode, {version}\n\n{}\n", table(&encode));
        }
        if self.tasks.contains(&Task::Stream) {
            stream = vec![self.stream(version)];
            text += &format!("## Stream, {version}\n\n{}\n", table(&stream));
        }
        if version == ProtocolVersion::V5_0 && !self.nanoseconds {
            let mut lines = goals::baseline(&decode, &stream);
            if !decode.is_empty() {
                lines.extend(goals::payload_independence(self.time_per_row));
            }
            text += &bullets("## Other goals", lines);
        }
        text
    }

    fn rows(
        &self,
        version: ProtocolVersion,
        task: Task,
        run: impl Fn(&Contender, &'static [u8]) -> Option<BoxedRun>,
    ) -> Vec<Comparison> {
        let rows = packets::rows(version).iter().map(|row| {
            let goal = goals::factor(task, row.id);
            let run = |contender: &Contender| run(contender, &row.bytes);
            Comparison::measure(version, row.title, goal, run, self.time_per_row)
        });
        rows.collect()
    }

    fn stream(&self, version: ProtocolVersion) -> Comparison {
        let goal = goals::factor(Task::Stream, "");
        let bytes = mixed::bytes(version);
        let run = |contender: &Contender| contender.stream.map(|stream| stream(bytes));
        Comparison::measure(version, mixed::TITLE, goal, run, self.time_per_row)
    }
}

fn bullets(heading: &str, lines: impl IntoIterator<Item = String>) -> String {
    let lines: String = lines
        .into_iter()
        .map(|line| format!("* {line}\n"))
        .collect();
    format!("{heading}\n\n{lines}\n")
}
