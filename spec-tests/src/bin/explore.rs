//! Explores the shipped state machines: see `mqtt5_spec_tests::world`.
//!
//! `cargo run --release -p mqtt5-spec-tests --bin explore -- --help`

use std::fs;
use std::io::{self, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use mqtt5_spec_tests::explore::scenarios::{Total, render_counts};
use mqtt5_spec_tests::explore::{Exhaustive, Presentation, Simulation, TraceFile};
use mqtt5_spec_tests::path_of;
use mqtt5_spec_tests::world::scenarios::{self, Named};
use mqtt5_spec_tests::world::{Config, SessionWorld, rows_not_run};

const USAGE: &str = "\
Explores the MQTT 5 state machines as they are shipped.

  explore                       the standard set of configurations
  explore --long                the long set: the standard one, and larger ones
  explore --list                what is in them
  explore --only NAME           one configuration of them
  explore [settings]            a configuration of one's own, every run within its budgets
  explore --simulate N [--seed S] [settings]
                                N runs from seeds, faults on, then off
  explore --save-traces         writes spec-tests/traces anew
  explore --save-counts         writes spec-tests/explored.txt anew
  explore --replay FILE         one run again, as a sequence chart
  explore --serve [ADDRESS] [settings]
                                the web Explorer of stateright (127.0.0.1:3000)

  --messages N --up --down      messages that are published, and by whom (both)
  --window W                    Receive Maximum of both
  --faults LIST                 one of each: cut, takeover, crash, expiry, clean, hostile, refuse,
                                fragment, batch, tick, disconnect, sleep, no-room, no-poll, unread
  --trace FILE                  where a counterexample goes (target/world-trace.txt)
  --mermaid                     draw a counterexample as Mermaid, too
  --threads N, --maximum-states N, --no-liveness, --quiet

Settings, as --NAME VALUE, with their defaults:
";

/// What to do.
enum Mode {
    Set(Vec<Named>),
    List,
    SaveTraces,
    SaveCounts,
    Explore,
    Simulate(u64),
    Replay(PathBuf),
    Serve(String),
}

struct Options {
    mode: Mode,
    config: Config,
    seed: u64,
    settings: Exhaustive,
    presentation: Presentation,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--help" || it == "-h") {
        print!("{USAGE}{}", Config::help());
        return ExitCode::SUCCESS;
    }
    let options = match Options::read(&arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}; --help tells more");
            return ExitCode::from(2);
        }
    };
    match options.run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut options = Options {
            mode: Mode::Set(scenarios::normal()),
            config: Config::DEFAULT,
            seed: 1,
            settings: Exhaustive {
                progress: true,
                ..Exhaustive::default()
            },
            presentation: Presentation {
                trace: Some(PathBuf::from("target/world-trace.txt")),
                mermaid: false,
            },
        };
        let (mut up, mut down, mut messages) = (false, false, None);
        let mut own = false;
        let mut left = arguments.iter().peekable();
        while let Some(option) = left.next() {
            let name = option
                .strip_prefix("--")
                .ok_or(format!("what is {option}?"))?;
            let next_is_value = left.peek().is_some_and(|it| !it.starts_with("--"));
            let mut value = || left.next().ok_or(format!("{option} needs a value"));
            match name {
                "up" if !next_is_value => up = true,
                "down" if !next_is_value => down = true,
                "mermaid" => options.presentation.mermaid = true,
                "quiet" => options.settings.progress = false,
                "no-liveness" => options.settings.liveness = false,
                "list" => options.mode = Mode::List,
                "save-traces" => options.mode = Mode::SaveTraces,
                "save-counts" => options.mode = Mode::SaveCounts,
                "long" => options.mode = Mode::Set(scenarios::long()),
                "only" => {
                    let wanted = value()?;
                    let mut all = scenarios::long();
                    all.retain(|it| it.name == wanted);
                    all.truncate(1);
                    if all.is_empty() {
                        return Err(format!("there is no configuration {wanted}"));
                    }
                    options.mode = Mode::Set(all);
                }
                "trace" => options.presentation.trace = Some(value()?.into()),
                "replay" => options.mode = Mode::Replay(value()?.into()),
                "serve" if next_is_value => options.mode = Mode::Serve(value()?.clone()),
                "serve" => options.mode = Mode::Serve("127.0.0.1:3000".to_owned()),
                "simulate" => options.mode = Mode::Simulate(number(value()?)?),
                "seed" => options.seed = number(value()?)?,
                "threads" => options.settings.threads = number(value()?)?,
                "maximum-states" => options.settings.maximum_states = number(value()?)?,
                "messages" => messages = Some(value()?.clone()),
                "window" => {
                    let window = value()?;
                    options.config.set("window-up", window)?;
                    options.config.set("window-down", window)?;
                    own = true;
                }
                "faults" => {
                    for fault in value()?.split(',') {
                        allow(&mut options.config, fault)?;
                    }
                    own = true;
                }
                setting => {
                    options.config.set(setting, value()?)?;
                    own = true;
                }
            }
        }
        if let Some(messages) = messages {
            for (name, wanted) in [("up", up || !down), ("down", down || !up)] {
                if wanted {
                    options.config.set(name, &messages)?;
                }
            }
            own = true;
        }
        if own && matches!(options.mode, Mode::Set(_)) {
            options.mode = Mode::Explore;
        }
        Ok(options)
    }

    /// Whether everything is as it should be.
    fn run(self) -> Result<bool, Box<dyn std::error::Error>> {
        let mut out = stdout().lock();
        let presentation = &self.presentation;
        match &self.mode {
            Mode::Set(set) => Ok(self.run_set(&mut out, set)?.is_fine()),
            Mode::List => {
                for Named { name, config, .. } in scenarios::long() {
                    writeln!(out, "{name:<28} {config}")?;
                }
                Ok(true)
            }
            Mode::SaveTraces => save_traces().map(|()| true),
            Mode::SaveCounts => {
                let total = self.run_set(&mut out, &scenarios::normal())?;
                if total.is_fine() {
                    let counts = render_counts("explore", total.counts());
                    fs::write(path_of(scenarios::COUNTS), counts)?;
                }
                Ok(total.is_fine())
            }
            Mode::Explore => {
                let report =
                    presentation.explore::<SessionWorld>(&mut out, &self.settings, &self.config)?;
                Ok(report.is_verified())
            }
            Mode::Simulate(runs) => {
                let settings = Simulation {
                    first_seed: self.seed,
                    runs: *runs,
                    threads: self.settings.threads,
                    progress: self.settings.progress,
                    ..Simulation::default()
                };
                let config = &self.config;
                let report = presentation.simulate::<SessionWorld>(&mut out, &settings, config)?;
                Ok(report.failure.is_none())
            }
            Mode::Replay(path) => {
                let found = presentation.replay::<SessionWorld>(&mut out, path);
                found.map_err(|error| error.to_string().into())
            }
            Mode::Serve(address) => serve(&self.config, address),
        }
    }

    fn run_set(&self, out: &mut impl Write, set: &[Named]) -> io::Result<Total> {
        let mut total = Total::default();
        for named in set {
            let report = self.settings.explore::<SessionWorld>(&named.config);
            writeln!(out, "{}", total.add(named, &report))?;
            out.flush()?;
            // A single configuration prints its counterexample; a set prints only unexpected ones.
            let wanted = set.len() == 1 || !named.expects.is_met(&report);
            if let Some(counterexample) = report.counterexample().filter(|_| wanted) {
                let config = &named.config;
                self.presentation
                    .counterexample::<SessionWorld>(out, config, counterexample)?;
            }
        }
        // Of a single configuration, the table says it.
        if set.len() > 1 {
            for row in rows_not_run() {
                writeln!(out, "  no machine has run: {row}")?;
            }
        }
        write!(out, "\n{total}")?;
        Ok(total)
    }
}

/// Explores what has a hole, and keeps a shortest way into it.
fn save_traces() -> Result<(), Box<dyn std::error::Error>> {
    for named in scenarios::holes() {
        let file = named.name;
        let report = Exhaustive::default().explore::<SessionWorld>(&named.config);
        let found = report
            .counterexample()
            .filter(|_| named.expects.is_met(&report));
        let Some(counterexample) = found.cloned() else {
            return Err(format!("{file}: {}", report.verdict).into());
        };
        let config = named.config;
        let drawn = counterexample.replay::<SessionWorld>(&config).chart();
        let folder = path_of("traces");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{file}.chart.txt")), drawn)?;
        let trace = TraceFile::<SessionWorld> {
            config,
            counterexample,
        };
        trace.save(&folder.join(format!("{file}.txt")))?;
    }
    Ok(())
}

#[cfg(feature = "stateright")]
fn serve(config: &Config, address: &str) -> Result<bool, Box<dyn std::error::Error>> {
    println!("http://{address} shows the states; Ctrl-C ends it");
    mqtt5_spec_tests::explore::stateright::WorldModel::<SessionWorld>::new(config).serve(address);
    Ok(true)
}

#[cfg(not(feature = "stateright"))]
fn serve(_: &Config, _: &str) -> Result<bool, Box<dyn std::error::Error>> {
    Err("--serve needs the feature stateright".into())
}

fn allow(config: &mut Config, fault: &str) -> Result<(), String> {
    let names: &[&str] = match fault {
        "cut" => &["cuts"],
        "takeover" => &["takeovers"],
        "crash" => &["client-crashes", "server-crashes"],
        "expiry" => &["client-expiries", "server-expiries"],
        "clean" => &["clean-starts"],
        "hostile" => &["hostile"],
        "refuse" => &["manual", "refusals", "rejections"],
        "fragment" => &["fragments"],
        "batch" => &["batches"],
        "tick" => &["ticks", "keep-alive"],
        "sleep" => &["sleeps"],
        "no-room" => &["blocks"],
        "no-poll" => &["put-offs"],
        "unread" => &["unread"],
        "disconnect" => &["disconnects"],
        _ => return Err(format!("there is no fault {fault}")),
    };
    names.iter().try_for_each(|name| config.set(name, "1"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}
