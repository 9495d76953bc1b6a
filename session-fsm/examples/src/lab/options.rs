//! The command line of the lab.

use std::path::PathBuf;

use clap::Parser;
use mqtt5_tokio::Qos;

/// Shows what MQTT promises about reliability, over TCP, and checks each promise. Without arguments it runs every scenario
/// against a broker of its own, and leaves a page with charts.
#[derive(Clone, Debug, Parser)]
#[command(name = "lab", version)]
pub struct Options {
    /// The scenarios to run, by name. Without names, all of them.
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// Prints the names of the scenarios, and exits.
    #[arg(long)]
    pub list: bool,
    /// Runs the scenarios at this QoS only, where a scenario compares the levels.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: Option<u8>,
    /// How many messages a scenario sends at each QoS.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=100_000))]
    pub messages: u64,
    /// Determines everything that the scenarios choose at random. Without it, each run chooses its own, and prints it.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The address of another broker, such as 127.0.0.1:1883. Scenarios that need a broker of the lab's own are left out.
    #[arg(long, value_name = "ADDRESS")]
    pub broker: Option<String>,
    /// Where the page goes.
    #[arg(long, value_name = "FILE", default_value = "target/lab.html")]
    pub page: PathBuf,

    /// What the lab starts as its broker: this program again.
    #[command(flatten)]
    pub role: Role,
}

/// Other processes of the lab, which it starts itself.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Role {
    /// Runs the broker.
    #[arg(long, hide = true)]
    pub serve: bool,
    /// The port of the broker; 0 lets the system choose.
    #[arg(long, hide = true, default_value_t = 0)]
    pub port: u16,
    /// The store of the broker.
    #[arg(long, hide = true)]
    pub store: Option<PathBuf>,
    /// Runs a publisher with a journal, until it is killed: the server.
    #[arg(long, hide = true)]
    pub publish_at: Option<String>,
    /// Its journal.
    #[arg(long, hide = true, default_value = "journal")]
    pub journal: PathBuf,
    /// Its ClientID.
    #[arg(long, hide = true, default_value = "")]
    pub name: String,
    /// Its topic.
    #[arg(long, hide = true, default_value = "")]
    pub topic: String,
    /// The number of its first message.
    #[arg(long, hide = true, default_value_t = 0)]
    pub first: u64,
}

impl Options {
    /// The levels that a scenario compares.
    #[must_use]
    pub fn levels(&self) -> Vec<Qos> {
        match self.qos {
            Some(0) => vec![Qos::AtMostOnce],
            Some(1) => vec![Qos::AtLeastOnce],
            Some(_) => vec![Qos::ExactlyOnce],
            None => vec![Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce],
        }
    }
}
