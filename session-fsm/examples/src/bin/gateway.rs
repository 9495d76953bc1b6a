//! A gateway between MQTT clients and a server, of version 5.0 and 3.1.1: it puts a prefix before all topics, and says in a
//! User Property where a message came from. Payloads are not copied. It uses the codec alone.
//!
//! ```sh
//! cargo run --release --bin gateway -- --server 127.0.0.1:1883 --prefix plant-7/ --user-property origin=plant-7
//! ```

use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use mqtt5_examples::gateway::{Gateway, Rewriter};
use tokio::net::TcpListener;

/// Puts a prefix before the topics of clients, which do not know it. Topics that begin with $ stay as they are.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where clients connect.
    #[arg(long, default_value = "127.0.0.1:1884", value_name = "ADDRESS")]
    listen: String,
    /// The server.
    #[arg(long, default_value = "127.0.0.1:1883", value_name = "ADDRESS")]
    server: String,
    /// What the server sees before each topic, such as plant-7/.
    #[arg(long, default_value = "", value_name = "TEXT")]
    prefix: String,
    /// A User Property for each message of a client. Clients of MQTT 3.1.1 have none.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    user_property: Option<(String, String)>,
    /// The largest packet, in bytes. The gateway announces it to both sides. A larger packet ends its connection.
    #[arg(long, default_value = "1048576", value_name = "BYTES")]
    maximum_packet_size: NonZeroU32,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a name, an equals sign and a value are expected")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let rewriter = match Rewriter::new(
        &arguments.prefix,
        arguments.user_property,
        arguments.maximum_packet_size,
    ) {
        Ok(rewriter) => rewriter,
        Err(violation) => {
            eprintln!("The prefix or the User Property is not allowed: {violation}.");
            return ExitCode::FAILURE;
        }
    };
    let opened = TcpListener::bind(&arguments.listen).await;
    let opened = opened.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!(
                "The gateway cannot listen at {}: {error}.",
                arguments.listen
            );
            return ExitCode::FAILURE;
        }
    };
    println!("The gateway listens at {address}.");
    let gateway = Gateway::new(arguments.server, rewriter);
    Arc::new(gateway).serve(listener).await;
    ExitCode::SUCCESS
}
