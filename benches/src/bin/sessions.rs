//! Measures whole exchanges through state machines, all contenders in one
//! process, and the memory of idle sessions.

use std::process::Command;
use std::time::Duration;

use mqtt5_benches::report::table;
use mqtt5_benches::sessions::memory::Side;
use mqtt5_benches::sessions::rows::{EXCHANGES, Row, WINDOWED};
use mqtt5_benches::sessions::{
    CLIENTS, CLIENTS_OF_V3_1_1, PAIRS, PAIRS_OF_V3_1_1, SERVERS_OF_V3_1_1, Session, report,
};

const USAGE: &str = "\
usage: sessions [--exchanges] [--windows] [--resume] [--memory] [--quick] [--seconds N]
                [--markdown FILE]

  --exchanges, --windows, --resume, --memory   measure only this (may be combined)
  --quick                                      leave out what takes others minutes: windows
                                               and resumption where the session is kept
  --seconds N                                  time for each row, 4 by default
  --markdown FILE                              write the tables to FILE, too";

/// The argument with which the program calls itself, to measure the memory of one
/// contender in a process of its own.
const RESIDENT: &str = "--resident";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [RESIDENT, index] = *arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        let side = &Side::all()[index.parse::<usize>().expect("an index")];
        println!("{}", side.resident().expect("Linux"));
        return;
    }
    let options = Options::from_arguments(arguments.into_iter()).unwrap_or_else(|problem| {
        eprintln!("{problem}\n\n{USAGE}");
        std::process::exit(2);
    });
    let text = options.measure();
    if let Some(file) = options.markdown
        && let Err(error) = std::fs::write(&file, text)
    {
        eprintln!("cannot write {file}: {error}");
        std::process::exit(1);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Exchanges,
    Windows,
    Resume,
    Memory,
}

struct Options {
    tasks: Vec<Task>,
    quick: bool,
    time_per_row: Duration,
    markdown: Option<String>,
}

impl Options {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            tasks: Vec::new(),
            quick: false,
            time_per_row: Duration::from_secs(4),
            markdown: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--exchanges" => options.tasks.push(Task::Exchanges),
                "--windows" => options.tasks.push(Task::Windows),
                "--resume" => options.tasks.push(Task::Resume),
                "--memory" => options.tasks.push(Task::Memory),
                "--quick" => options.quick = true,
                "--seconds" => {
                    options.time_per_row = value()?
                        .parse()
                        .ok()
                        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                        .ok_or("--seconds needs a number")?;
                }
                "--markdown" => options.markdown = Some(value()?),
                unknown => return Err(format!("unknown argument {unknown}")),
            }
        }
        if options.tasks.is_empty() {
            options.tasks = vec![Task::Exchanges, Task::Windows, Task::Resume, Task::Memory];
        }
        if options.quick {
            options.tasks.retain(|task| *task != Task::Resume);
        }
        Ok(options)
    }

    /// Prints each table as soon as it is measured, and returns them all.
    fn measure(&self) -> String {
        let budget = self.time_per_row;
        // A client alone stores what it sends or does not, whatever is agreed.
        let exchanges = transient(&EXCHANGES);
        let windows = transient(&WINDOWED);
        let all_windows = if self.quick { &windows } else { &WINDOWED[..] };
        let mut text = String::new();
        let mut add = |task, heading: &str, table: &dyn Fn() -> String| {
            if self.tasks.contains(&task) {
                let section = format!("## {heading}\n\n{}\n", table());
                print!("{section}");
                text += &section;
            }
        };
        add(Task::Exchanges, "Exchanges, client and server", &|| {
            report::exchanges(PAIRS, &EXCHANGES, true, budget)
        });
        add(Task::Exchanges, "Exchanges, client alone", &|| {
            report::exchanges(CLIENTS, &exchanges, false, budget)
        });
        add(
            Task::Exchanges,
            "Exchanges, client and server, MQTT 3.1.1",
            &|| report::exchanges(PAIRS_OF_V3_1_1, &EXCHANGES, true, budget),
        );
        add(
            Task::Exchanges,
            "Exchanges, client alone, MQTT 3.1.1",
            &|| report::exchanges(CLIENTS_OF_V3_1_1, &exchanges, false, budget),
        );
        add(
            Task::Exchanges,
            "Exchanges, server alone, MQTT 3.1.1",
            &|| report::exchanges(SERVERS_OF_V3_1_1, &EXCHANGES, true, budget),
        );
        add(Task::Windows, "Windows, client and server", &|| {
            report::windows(PAIRS, all_windows, budget)
        });
        add(Task::Windows, "Windows, client alone", &|| {
            report::windows(CLIENTS, &windows, budget)
        });
        add(Task::Resume, "Resumption, client and server", &|| {
            report::resume(PAIRS, budget)
        });
        add(Task::Resume, "Resumption, client alone", &|| {
            report::resume(CLIENTS, budget)
        });
        add(Task::Memory, "Idle sessions", &memory);
        text
    }
}

fn transient(rows: &[Row]) -> Vec<Row> {
    let transient = |row: &Row| row.session == Session::Transient;
    rows.iter().copied().filter(transient).collect()
}

fn memory() -> String {
    let head = ["side", "sessions", "resident bytes per session"].map(str::to_owned);
    let rows = Side::all().into_iter().enumerate().map(|(index, side)| {
        let bytes = resident(index).unwrap_or_else(|| "not measured".to_owned());
        let name = format!("{}, {}", side.name, side.side);
        vec![name, side.count().to_string(), bytes]
    });
    table(&head, rows)
}

/// Measures in a new process.
fn resident(index: usize) -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program)
        .args([RESIDENT, &index.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.is_empty()).then(|| text.trim().to_owned())
}
