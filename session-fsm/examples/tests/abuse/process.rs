//! The broker as a process, and clients that only want to go on.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mqtt5_tokio::fsm::reconnect::ReconnectSettings;
use mqtt5_tokio::{Client, ClientBuilder, Messages, Qos};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it takes too long")
}

/// A process that ends with its value.
pub struct Process {
    child: Child,
    /// `host:port`.
    pub address: String,
    log: Arc<Mutex<String>>,
    directory: tempfile::TempDir,
}

impl Process {
    /// Starts the broker. A file that ends with `.toml` is its configuration.
    pub fn start(files: &[(&str, &str)]) -> Self {
        Process::with_limit("-n 20000", files)
    }

    /// Starts the broker under a limit of the shell's `ulimit`.
    pub fn with_limit(limit: &str, files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut arguments = vec!["--listen".to_owned(), "mqtt://127.0.0.1:0".to_owned()];
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            if name.ends_with(".toml") {
                arguments.push("--configuration".to_owned());
                arguments.push(path.to_str().unwrap().to_owned());
            }
        }
        Process::run(directory, limit, arguments).unwrap_or_else(|log| panic!("{log}"))
    }

    /// Starts the broker with these arguments. The error is what it said when it ended.
    pub fn run(
        directory: tempfile::TempDir,
        limit: &str,
        arguments: Vec<String>,
    ) -> Result<Self, String> {
        // A file that would become too large is an error, as on a full disk, not a signal.
        let script = format!("trap '' XFSZ; ulimit {limit}; exec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_broker")])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<String>>::default();
        let (errors, lines) = (child.stderr.take().unwrap(), log.clone());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut log = lines.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let Some(address) = line.strip_prefix("The broker listens at mqtt://") else {
            let _ = child.wait();
            let _ = reader.join();
            return Err(log.lock().unwrap().clone());
        };
        Ok(Process {
            child,
            address: address.trim_end().trim_end_matches('.').to_owned(),
            log,
            directory,
        })
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn client(&self, name: &str) -> ClientBuilder {
        let address = format!("mqtt://{}", self.address);
        Client::builder(address, name).reconnection(ReconnectSettings {
            initial_delay: Duration::from_millis(10),
            maximum_delay: Duration::from_millis(50),
            ..ReconnectSettings::default()
        })
    }

    /// The memory that it holds, in bytes.
    pub fn memory(&self) -> u64 {
        let path = PathBuf::from(format!("/proc/{}/status", self.child.id()));
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|it| it.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kilobytes.unwrap_or(0) * 1024
    }

    /// Waits until it has ended by itself. Returns its exit status.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Kills it, and leaves its directory.
    pub fn kill(mut self) -> tempfile::TempDir {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.take_directory()
    }

    /// Asks it to end, waits until it has, and leaves its directory.
    pub fn stop(mut self) -> tempfile::TempDir {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(asked.unwrap().success());
        assert_eq!(self.wait(), Some(0));
        self.take_directory()
    }

    /// What is left of a process that has ended.
    pub fn take_directory(&mut self) -> tempfile::TempDir {
        std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two clients that send each other a message again and again, while others do what they should not.
pub struct Bystanders {
    task: JoinHandle<Duration>,
    rounds: watch::Receiver<usize>,
    ends: watch::Sender<bool>,
}

impl Bystanders {
    pub async fn start(broker: &Process) -> Self {
        let (here, replies) = soon(broker.client("here").connect()).await.unwrap();
        let (there, mut calls) = soon(broker.client("there").connect()).await.unwrap();
        soon(here.subscribe("pong", Qos::AtLeastOnce))
            .await
            .unwrap();
        soon(there.subscribe("ping", Qos::AtLeastOnce))
            .await
            .unwrap();
        tokio::spawn(async move {
            while let Some(call) = calls.next().await {
                let _ = there
                    .publish("pong", call.payload(), Qos::AtLeastOnce)
                    .await;
            }
        });
        let (count, rounds) = watch::channel(0);
        let (ends, end) = watch::channel(false);
        let task = tokio::spawn(play(here, replies, count, end));
        Bystanders { task, rounds, ends }
    }

    /// Waits until `more` further rounds were made.
    pub async fn rounds(&self, more: usize) {
        let mut rounds = self.rounds.clone();
        let until = *rounds.borrow() + more;
        soon(rounds.wait_for(|rounds| *rounds >= until))
            .await
            .unwrap();
    }

    /// Makes some more rounds, and prints how long the longest took.
    pub async fn end(self, what: &str) {
        self.rounds(20).await;
        let rounds = *self.rounds.borrow();
        self.ends.send_replace(true);
        let longest = soon(self.task).await.unwrap();
        println!("{what}: {rounds} round trips of others, the longest in {longest:.1?}");
    }
}

/// Returns how long the longest round trip took.
async fn play(
    here: Client,
    mut replies: Messages,
    count: watch::Sender<usize>,
    mut end: watch::Receiver<bool>,
) -> Duration {
    let mut longest = Duration::ZERO;
    while !*end.borrow_and_update() {
        let began = Instant::now();
        let number = count.borrow().to_string();
        soon(here.publish("ping", &number, Qos::AtLeastOnce))
            .await
            .unwrap();
        let reply = soon(replies.next()).await.unwrap();
        assert_eq!(reply.text(), Some(&*number));
        longest = longest.max(began.elapsed());
        count.send_modify(|count| *count += 1);
    }
    longest
}
