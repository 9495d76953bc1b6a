//! What the command-line programs `publish`, `subscribe`, `request` and `respond` share: their options, the connection,
//! the forms of output, and the exit statuses.

mod command;
mod connection;
mod format;
mod incoming;
mod interrupt;
mod json;
mod options;
mod outgoing;
mod output;
mod properties;
mod status;
mod time;
mod tls;
mod values;

use std::future::Future;
use std::process::ExitCode;

use clap::Parser;

pub use self::command::{Answer, TOPIC_VARIABLE, answer};
pub use self::connection::Connection;
pub use self::format::{Format, FormatOption};
pub use self::incoming::{Incoming, SubscribeOptions};
pub use self::interrupt::interrupted;
pub use self::options::ConnectionOptions;
pub use self::outgoing::{Outcomes, Outgoing, outgoing};
pub use self::output::{Output, Written};
pub use self::properties::PropertyOptions;
pub use self::status::{Failure, STATUS_HELP};
pub use self::time::rfc_3339;
pub use self::values::{Pair, pair, qos, seconds};

/// Reads the options of a program, runs it, prints why it failed, and returns its exit status.
pub fn run<O, F>(program: impl FnOnce(O) -> F) -> ExitCode
where
    O: Parser,
    F: Future<Output = Result<(), Failure>>,
{
    let options = match O::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Nothing can be done about a terminal that is gone.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return finished(Err(error.into())),
    };
    let result = runtime.block_on(async {
        interrupt::listen()?;
        program(options).await
    });
    // A thread may still wait for standard input.
    runtime.shutdown_background();
    finished(result)
}

fn finished(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            note(failure.to_string());
            ExitCode::from(failure.status())
        }
    }
}

/// Prints a sentence on standard error. A standard error that is closed is no reason to stop.
pub fn note(sentence: impl std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{sentence}");
}
