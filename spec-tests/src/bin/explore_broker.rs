//! Explores the shipped broker: see `mqtt5_spec_tests::broker_world`.
//!
//! `cargo run --release -p mqtt5-spec-tests --bin explore-broker -- --help`

use std::fs;
use std::io::{self, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use mqtt5_spec_tests::broker_world::{BrokerWorld, Config, scenarios};
use mqtt5_spec_tests::explore::scenarios::{Named, Total, render_counts};
use mqtt5_spec_tests::explore::{Exhaustive, Presentation, Simulation};
use mqtt5_spec_tests::path_of;

const USAGE: &str = "\
Explores the MQTT 5 broker as it is shipped.

  explore-broker                the standard set of configurations
  explore-broker --long         the long set: the standard one, and larger ones
  explore-broker --list         what is in them
  explore-broker --save-counts  writes spec-tests/explored-broker.txt anew
  explore-broker --only NAME    one configuration of them
  explore-broker [settings]     a configuration of one's own, every run within its budgets
  explore-broker --simulate N [--seed S] [--steps K] [settings]
                                N runs from seeds, faults on, then off
  explore-broker --replay FILE  one run again, as a sequence chart

  --trace FILE                  where a counterexample goes (target/broker-trace.txt)
  --threads N, --maximum-states N, --no-liveness, --quiet

Settings, as --NAME VALUE, with their defaults:
";

enum Mode {
    Set(Vec<Named<Config>>),
    List,
    SaveCounts,
    Explore,
    Simulate(u64),
    Replay(PathBuf),
}

struct Options {
    mode: Mode,
    config: Config,
    simulation: Simulation,
    settings: Exhaustive,
    presentation: Presentation,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--help" || it == "-h") {
        print!("{USAGE}{}", Config::help());
        return ExitCode::SUCCESS;
    }
    match Options::read(&arguments) {
        Err(message) => {
            eprintln!("{message}; --help tells more");
            ExitCode::from(2)
        }
        Ok(options) => match options.run() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(2)
            }
        },
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut options = Options {
            mode: Mode::Set(scenarios::normal()),
            config: Config::DEFAULT,
            simulation: Simulation {
                progress: true,
                ..Simulation::default()
            },
            settings: Exhaustive {
                progress: true,
                ..Exhaustive::default()
            },
            presentation: Presentation {
                trace: Some(PathBuf::from("target/broker-trace.txt")),
                mermaid: false,
            },
        };
        let mut own = false;
        let mut left = arguments.iter();
        while let Some(option) = left.next() {
            let name = option
                .strip_prefix("--")
                .ok_or(format!("what is {option}?"))?;
            let mut value = || left.next().ok_or(format!("{option} needs a value"));
            match name {
                "quiet" => {
                    (options.settings.progress, options.simulation.progress) = (false, false)
                }
                "no-liveness" => options.settings.liveness = false,
                "list" => options.mode = Mode::List,
                "save-counts" => options.mode = Mode::SaveCounts,
                "long" => options.mode = Mode::Set(scenarios::long()),
                "only" => {
                    let wanted = value()?;
                    let mut all = scenarios::long();
                    all.retain(|it| it.name == wanted);
                    if all.is_empty() {
                        return Err(format!("there is no configuration {wanted}"));
                    }
                    options.mode = Mode::Set(all);
                }
                "trace" => options.presentation.trace = Some(value()?.into()),
                "replay" => options.mode = Mode::Replay(value()?.into()),
                "simulate" => options.mode = Mode::Simulate(number(value()?)?),
                "seed" => options.simulation.first_seed = number(value()?)?,
                "steps" => options.simulation.steps_with_faults = number(value()?)?,
                "threads" => {
                    options.settings.threads = number(value()?)?;
                    options.simulation.threads = options.settings.threads;
                }
                "maximum-states" => options.settings.maximum_states = number(value()?)?,
                setting => {
                    options.config.set(setting, value()?)?;
                    own = true;
                }
            }
        }
        if own && matches!(options.mode, Mode::Set(_)) {
            options.mode = Mode::Explore;
        }
        Ok(options)
    }

    /// Whether everything is as it should be.
    fn run(self) -> Result<bool, Box<dyn std::error::Error>> {
        let mut out = stdout().lock();
        let (presentation, config) = (&self.presentation, &self.config);
        match &self.mode {
            Mode::Set(set) => Ok(self.run_set(&mut out, set)?.is_fine()),
            Mode::List => {
                for Named { name, config, .. } in scenarios::long() {
                    writeln!(out, "{name:<28} {config}")?;
                }
                Ok(true)
            }
            Mode::SaveCounts => {
                let total = self.run_set(&mut out, &scenarios::normal())?;
                if total.is_fine() {
                    let counts = render_counts("explore-broker", total.counts());
                    fs::write(path_of(scenarios::COUNTS), counts)?;
                }
                Ok(total.is_fine())
            }
            Mode::Explore => {
                let report =
                    presentation.explore::<BrokerWorld>(&mut out, &self.settings, config)?;
                Ok(report.is_verified())
            }
            Mode::Simulate(runs) => {
                let settings = Simulation {
                    runs: *runs,
                    ..self.simulation.clone()
                };
                let report = presentation.simulate::<BrokerWorld>(&mut out, &settings, config)?;
                Ok(report.failure.is_none())
            }
            Mode::Replay(path) => {
                let found = presentation.replay::<BrokerWorld>(&mut out, path);
                found.map_err(|error| error.to_string().into())
            }
        }
    }

    fn run_set(&self, out: &mut impl Write, set: &[Named<Config>]) -> io::Result<Total> {
        let mut total = Total::default();
        for named in set {
            let report = self.settings.explore::<BrokerWorld>(&named.config);
            writeln!(out, "{}", total.add(named, &report))?;
            out.flush()?;
            if let Some(found) = report.counterexample() {
                self.presentation
                    .counterexample::<BrokerWorld>(out, &named.config, found)?;
            }
        }
        write!(out, "\n{total}")?;
        Ok(total)
    }
}
