//! The check programs: built once with all faults, and run with one of them switched on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::said::{abnormal_end, executable, executables, failed_test, objection};
use super::workspace;

/// A fault may make a check go on for ever.
const TIME_LIMIT: Duration = Duration::from_secs(120);
/// ... and use up all memory: in KiB.
const MEMORY_LIMIT: u32 = 6_000_000;
/// How many names of each kind of check are printed.
const NAMES: usize = 3;

/// What the explorer explores: a few thousand states each.
pub const CONFIGURATIONS: [&str; 6] = [
    "up=2 qos=21 cuts=2",
    "up=1 down=1 qos=21 cuts=1 server-expiries=1",
    "up=2 qos=2 window-up=1 cuts=2",
    "down=2 qos=2 manual=1 cuts=1 refusals=1 batches=1",
    "mqtt=53 down=2 qos=21 cuts=1 message-expiry=100",
    "mqtt=3 up=2 qos=2 losses=1 batches=1",
];

/// What the explorer of the broker explores, by name: a few thousand states each.
const OF_BROKER: [&str; 10] = [
    "will-takeover",
    "ends-with-connection",
    "overlap-one-copy",
    "retained-narrow",
    "retained-expires",
    "message-expiry-waiting",
    "dollar-topics",
    "group-ends",
    "lost",
    "lost-session-expiry",
];

/// Checks left out where all are run: they take long without optimization, and both sides share the code that
/// they check.
pub const SLOW: [&str; 6] = [
    // The same checks by another way in, and in MQTT 3.1.1.
    "handled::",
    "in_3_1_1::",
    // As for the other side.
    "client::qos_receiver::all_identifiers",
    "client::qos_sender::a_used_identifier_is_not_given_again",
    "server::qos_sender::all_identifiers_in_use_are_different",
    "server::topic_alias_received::every_announced_alias_is_accepted",
];

/// Compiles fast, and runs fast enough.
const PROFILE: [&str; 3] = [
    "profile.dev.package.mqtt5-codec.opt-level=1",
    "profile.dev.package.mqtt5-session-fsm.opt-level=1",
    "profile.dev.package.mqtt5-spec-tests.opt-level=0",
];

/// The environment variable with the names of the checks that `spec` runs.
const CHECKS: &str = "MQTT5_CHECKS";
/// As in `mqtt5_codec::faults`, which only the programs have.
const FAULT: &str = "MQTT5_FAULT";
const REACHED: &str = "MQTT5_FAULT_REACHED";
const ASKED: &str = "MQTT5_FAULT_ASKED";

/// A kind of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The golden byte vectors.
    Vectors,
    /// The checks of client, server and broker.
    Conformance,
    /// Small worlds, completely.
    Explorer,
    /// The halves against their models.
    Properties,
}

impl Kind {
    /// All kinds that an exhibit is shown to.
    pub const ALL: [Self; 3] = [Kind::Vectors, Kind::Conformance, Kind::Explorer];

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
    /// `None` if nothing failed.
    #[must_use]
    pub fn new(kind: Kind, mut names: Vec<String>) -> Option<Self> {
        let count = names.len();
        names.truncate(NAMES);
        (count > 0).then_some(Finding { kind, names, count })
    }
}

/// The programs, with all faults in them.
#[derive(Debug)]
pub struct Programs {
    folder: PathBuf,
    spec: PathBuf,
    explore: PathBuf,
    explore_broker: PathBuf,
    halves: PathBuf,
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// `None`: it did not end within its time.
    pub status: Option<ExitStatus>,
    /// All that it printed.
    pub said: String,
}

impl Ended {
    /// Whether it ended well.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// The names of the tests that failed, or another reason if it did not end well.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let mut names: Vec<String> = self.said.lines().filter_map(failed_test).collect();
        // They end in any order.
        names.sort();
        match self.status {
            None => names.push("does not end".to_owned()),
            Some(status) if !status.success() && names.is_empty() => {
                names.push(abnormal_end(&self.said, status));
            }
            Some(_) => {}
        }
        names
    }

    /// What the explorer said against the library, or another reason if it did not end well.
    #[must_use]
    pub fn objection(&self) -> Option<String> {
        match self.status {
            None => Some("does not end".to_owned()),
            Some(status) if status.success() => None,
            Some(status) => {
                Some(objection(&self.said).unwrap_or_else(|| abnormal_end(&self.said, status)))
            }
        }
    }
}

impl Programs {
    /// Builds them from the workspace in `folder`.
    ///
    /// # Errors
    ///
    /// If they do not compile.
    pub fn build(folder: &Path) -> Result<Self, String> {
        // Without `-p`: features are those of `cargo test`, so what it has built of other packages serves.
        let mut what = vec!["--bin", "explore", "--bin", "explore-broker"];
        what.extend(["--test", "spec", "--test", "halves"]);
        let said = build(folder, &what)?;
        // A build of another copy of the workspace replaces the program at this place.
        let spec = folder.join(executable(&said, "tests/spec/main.rs")?);
        let apart = |name: &str| {
            let copy = spec.with_file_name(format!("{name}-of-{}", last_part(&spec)));
            fs::copy(target().join("debug").join(name), &copy).map_err(text)?;
            Ok::<_, String>(copy)
        };
        Ok(Programs {
            folder: folder.to_owned(),
            explore: apart("explore")?,
            explore_broker: apart("explore-broker")?,
            spec,
            halves: folder.join(executable(&said, "tests/halves/main.rs")?),
        })
    }

    /// Builds other tests, too: those that these arguments of `cargo test` name.
    ///
    /// # Errors
    ///
    /// If they do not compile.
    pub fn build_tests(&self, arguments: &[&str]) -> Result<Vec<PathBuf>, String> {
        let said = build(&self.folder, arguments)?;
        let paths = executables(&said).map(|path| self.folder.join(path));
        Ok(paths.collect())
    }

    /// The program with the checks that statements name.
    #[must_use]
    pub fn spec(&self) -> &Path {
        &self.spec
    }

    /// The halves against their models.
    #[must_use]
    pub fn halves(&self) -> &Path {
        &self.halves
    }

    /// The explorer.
    #[must_use]
    pub fn explore(&self) -> &Path {
        &self.explore
    }

    /// Runs with a fault switched on, or with none. `lane` tells what runs at the same time apart.
    #[must_use]
    pub fn with<'p>(&'p self, fault: Option<&'p str>, lane: usize) -> Run<'p> {
        Run {
            programs: self,
            fault,
            // Faults and mutants may run at the same time.
            scratch: target().join(format!("faults/{}-{lane}", last_part(&self.folder))),
        }
    }
}

/// Where all copies of the workspace are built.
fn target() -> PathBuf {
    workspace().join("target")
}

/// A command of cargo that compiles the workspace in `folder` with the faults in it.
#[must_use]
pub fn cargo_with_faults(folder: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_TERM_COLOR", "never")
        .env(
            "RUSTC_WORKSPACE_WRAPPER",
            workspace().join("spec-tests/src/faults/rustc.sh"),
        )
        .stdin(Stdio::null());
    cargo
}

/// Builds tests with the faults in them; what cargo says about it.
fn build(folder: &Path, what: &[&str]) -> Result<String, String> {
    let output = cargo_with_faults(folder)
        .args(["test", "--no-run"])
        .args(what)
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
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
        let ended = self.run_checks(&list)?;
        if ended.is_success() {
            return Ok(BTreeSet::new());
        }
        let code = ended.status.and_then(|status| status.code());
        if code == Some(101) && ended.said.contains("test result") {
            return Ok(ended.said.lines().filter_map(failed_test).collect());
        }
        // One of them took all others with it.
        let mut failed = BTreeSet::new();
        for name in names {
            if !self.run_checks(&[name])?.is_success() {
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

    fn run_checks(&self, names: &[&str]) -> Result<Ended, String> {
        let arguments = ["--format=pretty", self.threads()];
        self.run(&self.programs.spec, &arguments, &names.join(" "))
    }

    /// What the checks of one kind find.
    ///
    /// # Errors
    ///
    /// If they cannot be run.
    pub fn of_kind(&self, kind: Kind) -> Result<Option<Finding>, String> {
        let names = match kind {
            Kind::Vectors => self.filtered(&["vector::"])?,
            // With the colons: a name such as `vector::from-client` is not meant.
            Kind::Conformance => self.filtered(&["client::", "server::", "broker::"])?,
            Kind::Explorer => self.explorer()?,
            Kind::Properties => self.tests(&self.programs.halves, &[self.threads()])?,
        };
        Ok(Finding::new(kind, names))
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
        Ok(self.run(program, arguments, "")?.failures())
    }

    fn explorer(&self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for configuration in CONFIGURATIONS {
            let arguments = self.explorer_arguments(configuration);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let ended = self.run(&self.programs.explore, &arguments, "")?;
            if let Some(objection) = ended.objection() {
                names.push(format!("{objection} (`{configuration}`)"));
            }
        }
        let trace = self.scratch.join("trace.txt").display().to_string();
        for name in OF_BROKER {
            let arguments = ["--quiet", "--trace", &trace, "--only", name];
            let ended = self.run(&self.programs.explore_broker, &arguments, "")?;
            if let Some(objection) = ended.objection() {
                names.push(format!("{objection} (broker, `{name}`)"));
            }
        }
        Ok(names)
    }

    /// What the explorer is called with for one of [`CONFIGURATIONS`].
    #[must_use]
    pub fn explorer_arguments(&self, configuration: &str) -> Vec<String> {
        let trace = self.scratch.join("trace.txt").display().to_string();
        let mut arguments = vec!["--quiet".to_owned(), "--trace".to_owned(), trace];
        for setting in configuration.split_whitespace() {
            let (name, value) = setting.split_once('=').unwrap_or((setting, "1"));
            arguments.extend([format!("--{name}"), value.to_owned()]);
        }
        arguments
    }

    fn run(&self, program: &Path, arguments: &[&str], checks: &str) -> Result<Ended, String> {
        // Without a fault everything ends.
        let limit = self.fault.map(|_| TIME_LIMIT);
        self.run_within(limit, program, arguments, checks)
    }

    /// Runs a program. When its time is up it is killed, and all that it started.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub fn run_within(
        &self,
        limit: Option<Duration>,
        program: &Path,
        arguments: &[&str],
        checks: &str,
    ) -> Result<Ended, String> {
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
                .process_group(0)
                .env("RUST_BACKTRACE", "0")
                // A failure is enough: nobody reads the smallest one.
                .env("PROPTEST_MAX_SHRINK_ITERS", "0")
                .env("PROPTEST_FAILURE_PERSISTENCE", "off")
                .env_remove(CHECKS)
                .env_remove(FAULT)
                .env(REACHED, self.scratch.join("reached"))
                .env(ASKED, self.scratch.join("asked"))
                .stdin(Stdio::null())
                .stdout(File::create(&output)?)
                .stderr(File::create(&errors)?);
            if let Some(fault) = self.fault {
                command.env(FAULT, fault).env_remove(ASKED);
            }
            if !checks.is_empty() {
                command.env(CHECKS, checks);
            }
            let mut child = command.spawn()?;
            let started = Instant::now();
            while limit.is_none_or(|limit| started.elapsed() < limit) {
                if let Some(status) = child.try_wait()? {
                    return Ok(Some(status));
                }
                sleep(Duration::from_millis(5));
            }
            let group = format!("kill -s KILL -- -{}", child.id());
            Command::new("sh").args(["-c", &group]).status()?;
            child.wait()?;
            Ok(None)
        };
        let status = run().map_err(text)?;
        let mut said = fs::read(&output).map_err(text)?;
        said.extend(fs::read(&errors).map_err(text)?);
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok(Ended { status, said })
    }

    /// The faults that the programs have asked for since [`Run::begin`], where none was on.
    ///
    /// # Errors
    ///
    /// If the list cannot be read.
    pub fn asked(&self) -> Result<BTreeSet<String>, String> {
        match fs::read_to_string(self.scratch.join("asked")) {
            Ok(list) => Ok(list.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(text(error)),
        }
    }
}

/// The last part of a path.
fn last_part(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn text(error: io::Error) -> String {
    error.to_string()
}
