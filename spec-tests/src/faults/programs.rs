//! The check programs: built once with all faults, and run with one of them switched on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::said::{abnormal_end, executable, executables, failed_test, objection};

/// A fault may make a check go on for ever.
const TIME_LIMIT: Duration = Duration::from_secs(120);
/// ... and use up all memory: in KiB.
const MEMORY_LIMIT: u32 = 6_000_000;
/// How many names are told of each kind of check.
const NAMES: usize = 3;

/// What the explorer explores: a few thousand states each.
const CONFIGURATIONS: [&str; 4] = [
    "up=2 qos=21 cuts=2",
    "up=1 down=1 qos=21 cuts=1 server-expiries=1",
    "up=2 qos=2 window-up=1 cuts=2",
    "down=2 qos=2 manual=1 cuts=1 refusals=1 batches=1",
];

/// Checks left out where all are run: they take long without optimization, and both sides share the code that
/// they check.
const SLOW: [&str; 5] = [
    // The same checks by another way in.
    "handled::",
    // As server::qos_receiver::every_identifier_is_repeated.
    "client::qos_receiver::all_identifiers",
    // As server::qos_sender::an_identifier_is_free_when_its_exchange_is_over.
    "client::qos_sender::a_used_identifier_is_not_given_again",
    // As client::qos_sender::all_identifiers_in_use_are_different.
    "server::qos_sender::every_identifier_is_used_once",
    // As client::topic_alias_received::every_announced_alias_is_accepted.
    "server::topic_alias::every_alias_up_to_the_maximum_is_accepted",
];

/// Compiles fast, and runs fast enough.
const PROFILE: [&str; 4] = [
    "profile.dev.debug=0",
    "profile.dev.package.mqtt5-codec.opt-level=1",
    "profile.dev.package.mqtt5-session-fsm.opt-level=1",
    "profile.dev.package.mqtt5-spec-tests.opt-level=0",
];

/// The environment variable with the names of the checks that `spec` runs.
const CHECKS: &str = "MQTT5_CHECKS";
/// As in `mqtt5_codec::faults`, which only the programs have.
const FAULT: &str = "MQTT5_FAULT";
const REACHED: &str = "MQTT5_FAULT_REACHED";

/// A kind of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The golden byte vectors.
    Vectors,
    /// The checks of client and server.
    Conformance,
    /// Small worlds, completely.
    Explorer,
    /// The halves against their models.
    Properties,
}

impl Kind {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Vectors => "vectors",
            Kind::Conformance => "conformance",
            Kind::Explorer => "explorer",
            Kind::Properties => "properties",
        }
    }
}

/// What checks of one kind say against a fault.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which.
    pub kind: Kind,
    /// What failed, the first three.
    pub names: Vec<String>,
    /// How many failed.
    pub count: usize,
}

impl Finding {
    fn new(kind: Kind, mut names: Vec<String>) -> Option<Self> {
        let count = names.len();
        names.truncate(NAMES);
        (count > 0).then_some(Finding { kind, names, count })
    }
}

/// The programs, with all faults in them.
#[derive(Debug)]
pub struct Programs {
    folder: PathBuf,
    target: PathBuf,
    spec: PathBuf,
    explore: PathBuf,
    halves: PathBuf,
    tests: Vec<PathBuf>,
}

impl Programs {
    /// Builds them from the workspace in `folder`.
    ///
    /// # Errors
    ///
    /// If they do not compile.
    pub fn build(folder: &Path, target: &Path) -> Result<Self, String> {
        let mut what = vec!["--no-default-features", "-p", "mqtt5-spec-tests"];
        what.extend(["--bin", "explore", "--test", "spec", "--test", "halves"]);
        let said = build(folder, target, &what)?;
        Ok(Programs {
            folder: folder.to_owned(),
            target: target.to_owned(),
            spec: folder.join(executable(&said, "tests/spec/main.rs")?),
            explore: target.join("debug/explore"),
            halves: folder.join(executable(&said, "tests/halves/main.rs")?),
            tests: Vec::new(),
        })
    }

    /// Builds the tests of other packages, too, for [`Run::first_failure`].
    ///
    /// # Errors
    ///
    /// If they do not compile.
    pub fn build_tests_of(&mut self, packages: &[&str]) -> Result<(), String> {
        let mut what = vec!["--lib", "--tests"];
        what.extend(packages.iter().flat_map(|package| ["-p", package]));
        let said = build(&self.folder, &self.target, &what)?;
        let paths = executables(&said).map(|path| self.folder.join(path));
        self.tests = paths.collect();
        Ok(())
    }

    /// Runs with a fault switched on, or with none. `lane` tells what runs at the same time apart.
    #[must_use]
    pub fn with<'p>(&'p self, fault: Option<&'p str>, lane: usize) -> Run<'p> {
        Run {
            programs: self,
            fault,
            scratch: self.target.join(format!("lane-{lane}")),
        }
    }
}

/// Builds tests with the faults in them; what cargo says about it.
fn build(folder: &Path, target: &Path, what: &[&str]) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--no-run"])
        .args(what)
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "1")
        .env("CARGO_TERM_COLOR", "never")
        .env("RUSTFLAGS", "--cfg mqtt5_faults")
        .stdin(Stdio::null())
        .output()
        .map_err(text)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        Err(format!("it does not compile with the faults:\n{said}"))
    }
}

/// The programs with one fault switched on.
#[derive(Debug)]
pub struct Run<'p> {
    programs: &'p Programs,
    fault: Option<&'p str>,
    scratch: PathBuf,
}

impl Run<'_> {
    /// Prepares a run.
    ///
    /// # Errors
    ///
    /// If there is no place for what the programs write.
    pub fn begin(&self) -> Result<(), String> {
        if self.scratch.exists() {
            fs::remove_dir_all(&self.scratch).map_err(text)?;
        }
        fs::create_dir_all(&self.scratch).map_err(text)
    }

    /// Whether any program came to the place of the fault since [`Run::begin`].
    #[must_use]
    pub fn reached(&self) -> bool {
        self.scratch.join("reached").exists()
    }

    /// Which of some checks of the program `spec` fail.
    ///
    /// # Errors
    ///
    /// If they cannot be run.
    pub fn checks(&self, names: &BTreeSet<String>) -> Result<BTreeSet<String>, String> {
        let list: Vec<&str> = names.iter().map(String::as_str).collect();
        let (status, output) = self.run_checks(&list)?;
        if status.is_some_and(|status| status.success()) {
            return Ok(BTreeSet::new());
        }
        if status.and_then(|status| status.code()) == Some(101) && output.contains("test result") {
            return Ok(output.lines().filter_map(failed_test).collect());
        }
        // One of them took all others with it.
        let mut failed = BTreeSet::new();
        for name in names {
            let (status, _) = self.run_checks(&[name])?;
            if !status.is_some_and(|status| status.success()) {
                failed.insert(name.clone());
            }
        }
        Ok(failed)
    }

    /// With a fault, others run at the same time.
    fn threads(&self) -> &'static str {
        match self.fault {
            None => "--test-threads=4",
            Some(_) => "--test-threads=1",
        }
    }

    fn run_checks(&self, names: &[&str]) -> Result<(Option<ExitStatus>, String), String> {
        let arguments = ["--format=pretty", self.threads()];
        self.run(&self.programs.spec, &arguments, &names.join(" "))
    }

    /// Vectors, conformance and explorer.
    ///
    /// # Errors
    ///
    /// If they cannot be run.
    pub fn all(&self) -> Result<Vec<Finding>, String> {
        let vectors = self.filtered(&["vector::"])?;
        // With the colons: a name such as `vector::from-client` is not meant.
        let conformance = self.filtered(&["client::", "server::"])?;
        let explorer = self.explorer()?;
        let findings = [
            Finding::new(Kind::Vectors, vectors),
            Finding::new(Kind::Conformance, conformance),
            Finding::new(Kind::Explorer, explorer),
        ];
        Ok(findings.into_iter().flatten().collect())
    }

    /// The halves against their models.
    ///
    /// # Errors
    ///
    /// If they cannot be run.
    pub fn properties(&self) -> Result<Option<Finding>, String> {
        let names = self.tests(&self.programs.halves, &[self.threads()])?;
        Ok(Finding::new(Kind::Properties, names))
    }

    /// The first thing that fails; the cheapest checks come first. Those of the codec alone can be left out.
    ///
    /// # Errors
    ///
    /// If they cannot be run.
    pub fn first_failure(&self, of_codec: bool) -> Result<Option<String>, String> {
        let first: &[&str] = match of_codec {
            true => &["vector::", "client::", "server::"],
            false => &["client::", "server::"],
        };
        for filter in first {
            if let Some(name) = self.filtered(&[filter])?.pop() {
                return Ok(Some(name));
            }
        }
        for program in &self.programs.tests {
            if let Some(name) = self.tests(program, &[self.threads()])?.pop() {
                return Ok(Some(name));
            }
        }
        if of_codec {
            let mut arguments = vec!["--format=pretty", self.threads()];
            let done = ["vector::", "client::", "server::", "ledger"];
            arguments.extend(done.iter().flat_map(|name| ["--skip", name]));
            if let Some(name) = self.tests(&self.programs.spec, &arguments)?.pop() {
                return Ok(Some(name));
            }
        } else if let Some(name) = self.explorer()?.pop() {
            return Ok(Some(name));
        }
        let properties = self.properties()?;
        Ok(properties.and_then(|mut finding| finding.names.pop()))
    }

    fn filtered(&self, filters: &[&str]) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for filter in filters {
            let mut arguments = vec!["--format=pretty", self.threads(), filter];
            arguments.extend(SLOW.iter().flat_map(|name| ["--skip", name]));
            names.extend(self.tests(&self.programs.spec, &arguments)?);
        }
        Ok(names)
    }

    /// The names of the tests that fail.
    fn tests(&self, program: &Path, arguments: &[&str]) -> Result<Vec<String>, String> {
        let (status, output) = self.run(program, arguments, "")?;
        let mut names: Vec<String> = output.lines().filter_map(failed_test).collect();
        // They end in any order.
        names.sort();
        match status {
            None => names.push("does not end".to_owned()),
            Some(status) if !status.success() && names.is_empty() => {
                names.push(abnormal_end(&output, status));
            }
            Some(_) => {}
        }
        Ok(names)
    }

    fn explorer(&self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for configuration in CONFIGURATIONS {
            let trace = self.scratch.join("trace.txt").display().to_string();
            let mut arguments = vec!["--quiet".to_owned(), "--trace".to_owned(), trace];
            for setting in configuration.split_whitespace() {
                let (name, value) = setting.split_once('=').unwrap_or((setting, "1"));
                arguments.extend([format!("--{name}"), value.to_owned()]);
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (status, output) = self.run(&self.programs.explore, &arguments, "")?;
            let objection = match status {
                None => "does not end".to_owned(),
                Some(status) if status.success() => continue,
                Some(status) => objection(&output).unwrap_or_else(|| abnormal_end(&output, status)),
            };
            names.push(format!("{objection} (`{configuration}`)"));
        }
        Ok(names)
    }

    /// Runs a program: its status, `None` if it did not end, and all that it said.
    fn run(
        &self,
        program: &Path,
        arguments: &[&str],
        checks: &str,
    ) -> Result<(Option<ExitStatus>, String), String> {
        // Apart from each other, so that no line is cut in two.
        let [output, errors] = ["output.txt", "errors.txt"].map(|name| self.scratch.join(name));
        let run = || -> io::Result<Option<ExitStatus>> {
            let mut command = Command::new("sh");
            command
                .arg("-c")
                .arg(format!("ulimit -v {MEMORY_LIMIT}; exec \"$@\""))
                .arg("sh")
                .arg(program)
                .args(arguments)
                .current_dir(self.programs.folder.join("spec-tests"))
                .env("RUST_BACKTRACE", "0")
                .env_remove(CHECKS)
                .env_remove(FAULT)
                .env(REACHED, self.scratch.join("reached"))
                .stdin(Stdio::null())
                .stdout(File::create(&output)?)
                .stderr(File::create(&errors)?);
            if let Some(fault) = self.fault {
                command.env(FAULT, fault);
            }
            if !checks.is_empty() {
                command.env(CHECKS, checks);
            }
            let mut child = command.spawn()?;
            let started = Instant::now();
            // Without a fault everything ends.
            while self.fault.is_none() || started.elapsed() < TIME_LIMIT {
                if let Some(status) = child.try_wait()? {
                    return Ok(Some(status));
                }
                sleep(Duration::from_millis(5));
            }
            child.kill()?;
            child.wait()?;
            Ok(None)
        };
        let status = run().map_err(text)?;
        let mut said = fs::read(&output).map_err(text)?;
        said.extend(fs::read(&errors).map_err(text)?);
        Ok((status, String::from_utf8_lossy(&said).into_owned()))
    }
}

fn text(error: io::Error) -> String {
    error.to_string()
}
