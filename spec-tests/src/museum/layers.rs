//! The checks, as layers, and what they say.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::said::{abnormal_end, executable, failed_test, objection};

/// A change may make a check go on for ever.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// ... and use up all memory: in KiB.
const MEMORY_LIMIT: u32 = 6_000_000;
/// How many names are told of each layer.
const NAMES: usize = 3;

/// What the explorer explores: a few thousand states each.
const CONFIGURATIONS: [&str; 4] = [
    "up=2 qos=21 cuts=2",
    "up=1 down=1 qos=21 cuts=1 server-expiries=1",
    "up=2 qos=2 window-up=1 cuts=2",
    "down=2 qos=2 manual=1 cuts=1 refusals=1 batches=1",
];

/// Checks left out: they take long without optimization, and both sides share the code that they check.
const SLOW: [&str; 4] = [
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

/// Some of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The change does not compile.
    Types,
    /// The checks of client and server.
    Conformance,
    /// Small worlds, completely.
    Explorer,
    /// The halves against their models.
    Properties,
}

/// What a layer says against a change.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which.
    pub layer: Layer,
    /// What failed, the first three.
    pub names: Vec<String>,
    /// How many failed.
    pub count: usize,
}

/// Where the checks are built and run.
#[derive(Debug)]
pub struct Workshop {
    /// A workspace.
    pub folder: PathBuf,
    /// Its target directory.
    pub target: PathBuf,
}

impl Layer {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Layer::Types => "the type system",
            Layer::Conformance => "conformance",
            Layer::Explorer => "explorer",
            Layer::Properties => "properties",
        }
    }
}

impl Finding {
    fn new(layer: Layer, mut names: Vec<String>) -> Option<Self> {
        let count = names.len();
        names.truncate(NAMES);
        (count > 0).then_some(Finding {
            layer,
            names,
            count,
        })
    }
}

impl Workshop {
    /// Builds and runs conformance and explorer.
    ///
    /// # Errors
    ///
    /// If they do not compile, or cannot be run.
    pub fn quick(&self) -> Result<Vec<Finding>, String> {
        let built = self.build(&["--test", "spec", "--bin", "explore"])?;
        let spec = executable(&built, "tests/spec/main.rs")?;
        let explore = self.target.join("debug/explore");
        let conformance = Finding::new(Layer::Conformance, self.conformance(&spec)?);
        let explorer = Finding::new(Layer::Explorer, self.explorer(&explore)?);
        Ok(conformance.into_iter().chain(explorer).collect())
    }

    /// Builds and runs the properties.
    ///
    /// # Errors
    ///
    /// If they do not compile, or cannot be run.
    pub fn properties(&self) -> Result<Option<Finding>, String> {
        let built = self.build(&["--test", "halves"])?;
        let halves = executable(&built, "tests/halves/main.rs")?;
        let names = self.tests(&halves, &["--test-threads=2"])?;
        Ok(Finding::new(Layer::Properties, names))
    }

    /// Whether the codec and the state machines compile.
    ///
    /// # Errors
    ///
    /// If that cannot be found out.
    pub fn compiles(&self) -> Result<bool, String> {
        let status = self
            .cargo("check")
            .args(["-p", "mqtt5-codec", "-p", "mqtt5-session-fsm"])
            .stderr(Stdio::null())
            .status();
        Ok(status.map_err(text)?.success())
    }

    fn cargo(&self, command: &str) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo
            .arg(command)
            .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_TERM_COLOR", "never")
            .env_remove("RUSTFLAGS");
        cargo
    }

    /// What cargo says about what it built.
    fn build(&self, what: &[&str]) -> Result<String, String> {
        let output = self
            .cargo("test")
            .args([
                "--no-run",
                "--no-default-features",
                "-p",
                "mqtt5-spec-tests",
            ])
            .args(what)
            .output()
            .map_err(text)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(said)
        } else {
            Err(format!("it does not compile:\n{said}"))
        }
    }

    fn conformance(&self, spec: &Path) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        // With the colons: a name such as `vector::from-client` is not meant.
        for filter in ["client::", "server::"] {
            let mut arguments = vec!["--format=pretty", filter];
            arguments.extend(SLOW.iter().flat_map(|name| ["--skip", name]));
            names.extend(self.tests(spec, &arguments)?);
        }
        Ok(names)
    }

    /// The names of the tests that fail.
    fn tests(&self, program: &Path, arguments: &[&str]) -> Result<Vec<String>, String> {
        let (status, output) = self.run(program, arguments)?;
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

    fn explorer(&self, explore: &Path) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for configuration in CONFIGURATIONS {
            let trace = self.target.join("trace.txt").display().to_string();
            let mut arguments = vec!["--quiet".to_owned(), "--trace".to_owned(), trace];
            for setting in configuration.split_whitespace() {
                let (name, value) = setting.split_once('=').unwrap_or((setting, "1"));
                arguments.extend([format!("--{name}"), value.to_owned()]);
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (status, output) = self.run(explore, &arguments)?;
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
    ) -> Result<(Option<ExitStatus>, String), String> {
        // Apart from each other, so that no line is cut in two.
        let [output, errors] = ["output.txt", "errors.txt"].map(|name| self.target.join(name));
        let run = || -> io::Result<Option<ExitStatus>> {
            let mut child = Command::new("sh")
                .arg("-c")
                .arg(format!("ulimit -v {MEMORY_LIMIT}; exec \"$@\""))
                .arg("sh")
                .arg(program)
                .args(arguments)
                .current_dir(self.folder.join("spec-tests"))
                .env("RUST_BACKTRACE", "0")
                .stdout(File::create(&output)?)
                .stderr(File::create(&errors)?)
                .spawn()?;
            let started = Instant::now();
            while started.elapsed() < TIME_LIMIT {
                if let Some(status) = child.try_wait()? {
                    return Ok(Some(status));
                }
                sleep(Duration::from_millis(20));
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
