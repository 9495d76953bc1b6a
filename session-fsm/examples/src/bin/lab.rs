//! What MQTT promises about reliability, seen over TCP: every scenario with numbers, a verdict, and a page with charts.
//!
//! ```sh
//! cargo run --bin lab                                  # every scenario, in less than a minute
//! cargo run --bin lab -- cuts --qos 2                  # one of them
//! cargo run --bin lab -- --broker 127.0.0.1:1883       # at a broker of yours
//! ```

use std::process::ExitCode;

use clap::Parser;
use mqtt5_examples::lab::{Options, run};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("The lab does not find itself: {error}.");
            return ExitCode::FAILURE;
        }
    };
    match run(options, program).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
