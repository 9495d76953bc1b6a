//! The checks in groups, each a run of a program: what it takes, and which changes it comes to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mqtt5_spec_tests::faults::{CONFIGURATIONS, Programs, Run, SLOW};

use mqtt5_spec_tests::faults::in_parallel;

use crate::memory::Memory;

/// These start processes that share a folder: two runs would disturb each other.
const PROCESSES: &str = "killed::";

/// The checks of client and server by another way in. Most changes are noticed without them.
const AGAIN: &str = "handled::";

/// The names of the checks of a run are in one environment variable, which has a limit.
const MOST: usize = 400;

/// What takes longer is asked only about what nothing else noticed.
const QUICK: Duration = Duration::from_secs(4);

/// The checks that noticed these last changes are asked first: changes of one place are noticed by the same.
const RECENT: usize = 8;

/// How much longer than without a change a run may take.
const PATIENCE: u32 = 10;
const LEAST_LIMIT: Duration = Duration::from_secs(10);

/// Some checks.
#[derive(Clone, Debug)]
struct Group {
    program: PathBuf,
    work: Work,
}

#[derive(Clone, Debug)]
enum Work {
    /// Checks of `spec`, by name.
    Checks(Vec<String>),
    /// Tests of a program, by name; all of them if there is no name.
    Tests(Vec<String>),
    /// A configuration of the explorer.
    Explorer(&'static str),
}

impl Group {
    /// What fails.
    fn run(&self, run: &Run<'_>, limit: Option<Duration>) -> Result<Vec<String>, String> {
        let mut arguments = vec!["--format=pretty".to_owned(), "--test-threads=1".to_owned()];
        let mut checks = String::new();
        match &self.work {
            Work::Checks(names) => checks = names.join(" "),
            Work::Tests(names) => {
                arguments.extend(["--skip".to_owned(), PROCESSES.to_owned()]);
                if !names.is_empty() {
                    arguments.push("--exact".to_owned());
                    arguments.extend(names.iter().cloned());
                }
            }
            Work::Explorer(configuration) => arguments = run.explorer_arguments(configuration),
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ended = run.run_within(limit, &self.program, &arguments, &checks)?;
        Ok(match &self.work {
            Work::Explorer(_) => ended.objection().into_iter().collect(),
            Work::Checks(_) | Work::Tests(_) => ended.failures(),
        })
    }

    fn is_again(&self) -> bool {
        matches!(&self.work, Work::Checks(names) if names[0].starts_with(AGAIN))
    }

    /// One group for each check.
    fn apart(&self, run: &Run<'_>) -> Result<Vec<Group>, String> {
        let group = |work| Group {
            program: self.program.clone(),
            work,
        };
        Ok(match &self.work {
            Work::Checks(names) if names.len() > 1 => {
                let alone = names.iter().map(|name| vec![name.clone()]);
                alone.map(|names| group(Work::Checks(names))).collect()
            }
            Work::Tests(names) if names.is_empty() => {
                let names = list(run, &self.program)?.into_iter();
                let others = names.filter(|name| !name.starts_with(PROCESSES));
                others.map(|name| group(Work::Tests(vec![name]))).collect()
            }
            Work::Checks(_) | Work::Tests(_) | Work::Explorer(_) => Vec::new(),
        })
    }

    /// Runs it without any change; `None` if it does not end within the limit.
    fn know(self, run: &Run<'_>, limit: Option<Duration>) -> Result<Result<Known, Group>, String> {
        run.begin()?;
        let started = Instant::now();
        let failure = self.run(run, limit)?.pop();
        let time = started.elapsed();
        if limit.is_some_and(|limit| time >= limit) {
            return Ok(Err(self));
        }
        if let Some(failure) = failure {
            return Err(format!("Without any change, {failure} fails."));
        }
        Ok(Ok(Known {
            time,
            comes_to: run.asked()?,
            group: self,
        }))
    }

    /// The program and its first check: no other group has both.
    fn name(&self) -> String {
        let program = self.program.file_name().unwrap_or_default();
        let program = program.to_string_lossy();
        // Without what another build changes.
        let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
        match &self.work {
            Work::Checks(names) | Work::Tests(names) => {
                let first = names.first().map_or("", String::as_str);
                format!("{program} {first}")
            }
            Work::Explorer(configuration) => format!("{program} {configuration}"),
        }
    }
}

/// A group, after a run without any change.
#[derive(Debug)]
struct Known {
    group: Group,
    time: Duration,
    comes_to: BTreeSet<String>,
}

impl Known {
    /// The first failure with a change switched on.
    fn first_failure(&self, run: &Run<'_>, mutant: &str) -> Result<Option<String>, String> {
        if !self.comes_to.contains(mutant) {
            return Ok(None);
        }
        let limit = LEAST_LIMIT + PATIENCE * self.time;
        Ok(self.group.run(run, Some(limit))?.pop())
    }
}

/// All checks.
#[derive(Debug)]
pub(crate) struct Checks<'p> {
    programs: &'p Programs,
    /// The fastest first.
    quick: Vec<Known>,
    slow: Vec<Group>,
    /// The places in `quick` of those that noticed something last, each once.
    recent: Mutex<VecDeque<usize>>,
    memory: Memory,
}

impl<'p> Checks<'p> {
    /// Runs all checks without any change, as far as they are quick.
    pub(crate) fn find(
        programs: &'p Programs,
        tests: Vec<PathBuf>,
        memory: Memory,
    ) -> Result<Self, String> {
        let (mut groups, mut slow) = (of_spec(programs)?, Vec::new());
        let tests = tests.into_iter().chain([programs.halves().to_owned()]);
        groups.extend(tests.map(|program| Group {
            program,
            work: Work::Tests(Vec::new()),
        }));
        groups.extend(CONFIGURATIONS.map(|configuration| Group {
            program: programs.explore().to_owned(),
            work: Work::Explorer(configuration),
        }));
        let (again, mut groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(Group::is_again);
        let mut quick = Vec::new();
        while !groups.is_empty() {
            let known = in_parallel(&groups, |group, lane| {
                group.clone().know(&programs.with(None, lane), Some(QUICK))
            })?;
            groups.clear();
            for known in known {
                match known {
                    Ok(known) => quick.push(known),
                    Err(group) => {
                        let mut parts = group.apart(&programs.with(None, 0))?;
                        if parts.is_empty() {
                            slow.push(group);
                        }
                        groups.append(&mut parts);
                    }
                }
            }
        }
        quick.sort_by_key(|it| it.time);
        slow.splice(0..0, again);
        Ok(Checks {
            programs,
            quick,
            slow,
            recent: Mutex::default(),
            memory,
        })
    }

    /// The first failure of a quick check with a change switched on; `place` describes the change. Gives up after the
    /// time.
    pub(crate) fn quick_failure(
        &self,
        mutant: &str,
        place: &str,
        within: Option<Duration>,
        lane: usize,
    ) -> Result<Option<String>, String> {
        let run = self.programs.with(Some(mutant), lane);
        run.begin()?;
        let began = Instant::now();
        for index in self.order(place) {
            if within.is_some_and(|within| began.elapsed() > within) {
                break;
            }
            if let Some(failure) = self.quick[index].first_failure(&run, mutant)? {
                self.noticed(index);
                self.memory
                    .noticed(place, &self.quick[index].group.name())?;
                return Ok(Some(failure));
            }
        }
        Ok(None)
    }

    /// The quick groups in the order in which they are asked about a change: the one that noticed it the last time,
    /// those that noticed the last changes, then those that noticed most for their time, of the same file above all.
    fn order(&self, place: &str) -> Vec<usize> {
        let file = place.split(':').next().unwrap_or_default();
        let counts = self.memory.counts(file);
        let rank = |known: &Known| {
            let (of_file, all) = counts.get(&known.group.name()).copied().unwrap_or_default();
            let worth = (1 + all + 20 * of_file) as f64;
            known.time.as_secs_f64().max(0.02) / worth
        };
        let mut ranked: Vec<(f64, usize)> = (self.quick.iter().map(rank)).zip(0..).collect();
        ranked.sort_by(|one, other| one.0.total_cmp(&other.0));
        let remembered = self.memory.of(place);
        let is_it = |known: &Known| remembered.as_ref() == Some(&known.group.name());
        let mut order: Vec<usize> = self.quick.iter().position(is_it).into_iter().collect();
        order.extend(self.recent.lock().expect("no thread panics").iter());
        order.extend(ranked.into_iter().map(|(_, index)| index));
        let mut seen = BTreeSet::new();
        order.retain(|index| seen.insert(*index));
        order
    }

    fn noticed(&self, index: usize) {
        let mut recent = self.recent.lock().expect("no thread panics");
        recent.retain(|it| *it != index);
        recent.push_front(index);
        recent.truncate(RECENT);
    }

    /// What the slow checks notice of some changes, each with the failure.
    pub(crate) fn slow_failures(
        &self,
        mutants: BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, String> {
        let left = Mutex::new(mutants);
        let failures = in_parallel(&self.slow, |group, lane| {
            let now = || left.lock().expect("no thread panics").clone();
            let mut failures = BTreeMap::new();
            if now().is_empty() {
                return Ok(failures);
            }
            let known = group.clone().know(&self.programs.with(None, lane), None)?;
            let known = known.map_err(|group| format!("{} does not end.", group.name()))?;
            for mutant in now() {
                let run = self.programs.with(Some(&mutant), lane);
                run.begin()?;
                if now().contains(&mutant)
                    && let Some(failure) = known.first_failure(&run, &mutant)?
                {
                    left.lock().expect("no thread panics").remove(&mutant);
                    failures.insert(mutant, failure);
                }
            }
            Ok(failures)
        })?;
        Ok(failures.into_iter().flatten().collect())
    }

    /// For people.
    pub(crate) fn numbers(&self) -> String {
        let (quick, slow) = (self.quick.len(), self.slow.len());
        format!("{quick} groups of checks are quick, {slow} are not")
    }
}

/// The names of the tests of a program.
fn list(run: &Run<'_>, program: &Path) -> Result<Vec<String>, String> {
    run.begin()?;
    let listed = run.run_within(None, program, &["--list"], "")?;
    let names = listed
        .said
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    // libtest-mimic puts the kind of a check before its name.
    let last = |name: &str| name.rsplit(' ').next().unwrap_or(name).to_owned();
    Ok(names.map(last).collect())
}

/// The checks of `spec`, those that are about the same together.
fn of_spec(programs: &Programs) -> Result<Vec<Group>, String> {
    let mut about: BTreeMap<(bool, String), Vec<String>> = BTreeMap::new();
    for name in list(&programs.with(None, 0), programs.spec())? {
        let direct = name.strip_prefix(AGAIN).unwrap_or(&name);
        let slow = SLOW.iter().filter(|it| **it != AGAIN);
        if direct.starts_with("ledger") || slow.into_iter().any(|it| direct.starts_with(it)) {
            continue;
        }
        let parts = match direct.starts_with("client::") || direct.starts_with("server::") {
            true => 2,
            false => 1,
        };
        let subject: Vec<&str> = direct.split("::").take(parts).collect();
        let subject = (name != direct, subject.join("::"));
        about.entry(subject).or_default().push(name);
    }
    let group = |names: &[String]| Group {
        program: programs.spec().to_owned(),
        work: Work::Checks(names.to_vec()),
    };
    let groups = about.values().flat_map(|names| names.chunks(MOST));
    Ok(groups.map(group).collect())
}
