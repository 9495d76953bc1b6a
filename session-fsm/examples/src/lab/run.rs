//! Runs the scenarios one after the other.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::options::Options;
use super::page::Page;
use super::scenarios::{ALL, Needs, Scenario, publishing_process};
use super::{Lab, Result, print, served};

/// How long a scenario may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs the lab. `program` is the lab itself, which it starts as its broker.
///
/// # Errors
///
/// A scenario has no such name, a broker cannot be reached, or the page cannot be written.
pub async fn run(options: Options, program: PathBuf) -> Result<ExitCode> {
    if options.role.serve {
        served::serve(&options.role).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(address) = &options.role.publish_at {
        publishing_process(address, &options).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.list {
        for scenario in ALL {
            println!("{:<16} {}", scenario.name, scenario.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(&options)?;
    let progress = ProgressBar::new(chosen.len() as u64);
    let style = ProgressStyle::with_template("{bar:24} {pos} of {len}  {prefix}: {msg}")?;
    progress.set_style(style);
    progress.enable_steady_tick(Duration::from_millis(100));
    let lab = Lab::open(options, program, progress.clone()).await?;
    progress.suspend(|| {
        let whose = match lab.own_broker() {
            Some(_) => "a broker of its own",
            None => "the broker",
        };
        let (server, seed) = (lab.server(), lab.seed);
        println!("The lab uses {whose} at {server}. The seed is {seed}.\n");
    });
    let scenarios = chosen.len();
    let mut page = Page::new(&lab);
    let (mut promises, mut broken) = (0, 0);
    for scenario in chosen {
        progress.set_prefix(scenario.name);
        lab.step("begins");
        let outcome = match tokio::time::timeout(LIMIT, (scenario.run)(&lab)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("It did not end within {} s.", LIMIT.as_secs()).into()),
        };
        let outcome = outcome
            .map_err(|error| format!("The scenario {} has failed: {error}", scenario.name))?;
        promises += outcome.promises.len();
        broken += outcome.promises.iter().filter(|it| !it.kept).count();
        let text = print::outcome(scenario.title, scenario.name, &outcome);
        progress.suspend(|| println!("{text}"));
        page.add(scenario, outcome);
        progress.inc(1);
    }
    progress.finish_and_clear();
    let path = &lab.options.page;
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, page.render())?;
    match broken {
        0 => println!("All {promises} promises were kept."),
        _ => println!("{broken} of {promises} promises were broken."),
    }
    let seconds = lab.start.elapsed().as_secs();
    println!(
        "{scenarios} scenarios took {seconds} s. The charts are in {}.",
        path.display()
    );
    Ok(match broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn choose(options: &Options) -> Result<Vec<&'static Scenario>> {
    let is_foreign = options.broker.is_some();
    let fits = |scenario: &&Scenario| !is_foreign || scenario.needs == Needs::AnyBroker;
    if options.scenarios.is_empty() {
        return Ok(ALL.iter().filter(fits).collect());
    }
    let mut chosen = Vec::new();
    for name in &options.scenarios {
        let scenario = ALL.iter().find(|it| it.name == name);
        let scenario = scenario
            .ok_or_else(|| format!("There is no scenario {name}. --list prints all names."))?;
        if !fits(&scenario) {
            return Err(format!("The scenario {name} needs a broker of the lab's own.").into());
        }
        chosen.push(scenario);
    }
    Ok(chosen)
}
