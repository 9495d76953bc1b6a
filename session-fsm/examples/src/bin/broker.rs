//! An MQTT broker of version 5.0 and 3.1.1.
//!
//! ```sh
//! cargo run --release --bin broker                                       # this machine alone, in memory
//! cargo run --release --bin broker -- --listen mqtt://0.0.0.0:1883 --store broker.redb
//! cargo run --release --bin broker -- --print-configuration > broker.toml
//! cargo run --release --bin broker -- --configuration broker.toml
//! ```

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mqtt5_examples::broker::configuration::{Configuration, EXAMPLE, Tls};
use mqtt5_examples::broker::{Failure, passwords, run};
use tracing_subscriber::EnvFilter;

/// An MQTT broker of version 5.0 and 3.1.1. Without arguments it serves this machine at port 1883, and keeps everything in
/// memory.
#[derive(Parser)]
#[command(name = "broker", version)]
struct Arguments {
    /// The configuration file, in TOML. Arguments override it.
    #[arg(long, value_name = "FILE")]
    configuration: Option<PathBuf>,
    /// Prints a configuration in which everything is explained, and exits.
    #[arg(long)]
    print_configuration: bool,
    /// Reads a password from standard input, prints the line for the password file, and exits.
    #[arg(long, value_name = "NAME")]
    hash_password: Option<String>,
    /// An address to listen at: mqtt://, mqtts://, ws:// or wss://, a host and a port. May be given more than once.
    #[arg(long, value_name = "URL")]
    listen: Vec<String>,
    /// Keeps Sessions and messages in this file.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// The password file: names and hashes of passwords.
    #[arg(long, value_name = "FILE")]
    passwords: Option<PathBuf>,
    /// Accepts clients without a User Name, although there is a password file.
    #[arg(long)]
    anonymous: bool,
    /// The access file: the topics that each user may publish and subscribe to.
    #[arg(long, value_name = "FILE")]
    access: Option<PathBuf>,
    /// The certificate for mqtts:// and wss://.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Requires client certificates of this authority.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    client_authority: Option<PathBuf>,
    /// The log level: error, warn, info, debug or trace.
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log: String,
}

/// The broker is one value, so one thread serves all connections. Password hashes and the disk have threads of their own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(arguments: Arguments) -> Result<(), Failure> {
    if arguments.print_configuration {
        return print(EXAMPLE);
    }
    if let Some(name) = &arguments.hash_password {
        return hash_password(name);
    }
    let filter = EnvFilter::try_new(&arguments.log).map_err(|error| {
        Failure(format!(
            "{} is not a level of the log: {error}.",
            arguments.log
        ))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .init();
    let configuration = configuration(arguments)?;
    let ready = |addresses: &[String]| {
        for address in addresses {
            // The program that started this one may wait for the line.
            let _ = print(&format!("The broker listens at {address}.\n"));
        }
    };
    run(&configuration, ready, stop()).await
}

fn configuration(arguments: Arguments) -> Result<Configuration, Failure> {
    let mut configuration = match &arguments.configuration {
        Some(path) => Configuration::read(path)?,
        None => Configuration::default(),
    };
    if !arguments.listen.is_empty() {
        configuration.listen = arguments.listen;
    }
    configuration.store = arguments.store.or(configuration.store);
    configuration.passwords = arguments.passwords.or(configuration.passwords);
    configuration.anonymous |= arguments.anonymous;
    configuration.access = arguments.access.or(configuration.access);
    if let (Some(certificate), Some(key)) = (arguments.certificate, arguments.key) {
        let client_authority = arguments.client_authority;
        configuration.tls = Some(Tls {
            certificate,
            key,
            client_authority,
        });
    }
    Ok(configuration)
}

fn hash_password(name: &str) -> Result<(), Failure> {
    if name.is_empty() || name.contains([':', '\n']) {
        return Err(Failure("A name is not empty, and has no colon.".to_owned()));
    }
    let mut password = String::new();
    let read = io::stdin().lock().read_line(&mut password);
    read.map_err(|error| Failure(format!("The password cannot be read: {error}.")))?;
    let hash = passwords::hash(password.trim_end_matches(['\r', '\n']).as_bytes())?;
    print(&format!("{name}:{hash}\n"))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| Failure(format!("Standard output cannot be written: {error}.")))
}

/// Completes when the process is asked to end.
async fn stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
