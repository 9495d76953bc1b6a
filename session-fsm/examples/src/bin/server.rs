//! A server on the broker core: subscriptions of all kinds, retained messages, Wills, and Sessions
//! that outlive connections and, with a store, the process.
//!
//! ```sh
//! cargo run --release --bin server                     # with clients of its own, then exits
//! cargo run --release --bin server -- 127.0.0.1:1883   # until Ctrl-C
//! cargo run --release --bin server -- 127.0.0.1:1883 --store sessions
//! ```
//!
//! Copy the I/O shell, `common/server.rs`, and the store, `common/store.rs`.

#[path = "../shell/broker.rs"]
mod broker;
#[path = "../shell/client.rs"]
mod client;
#[path = "../shell/cut.rs"]
mod cut;
#[path = "../shell/load.rs"]
mod load;
#[path = "../shell/server.rs"]
mod server;
#[path = "../shell/store.rs"]
mod store;
#[path = "../shell/stream.rs"]
mod stream;

use std::path::Path;
use std::process::ExitCode;

use mqtt5_session_fsm::broker::Broker;
use mqtt5_session_fsm::codec::ProtocolVersion::{self, V3_1_1, V5_0};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use broker::Host;
use store::Store;

/// What the clients speak.
const CLIENTS: [ProtocolVersion; 4] = [V5_0, V3_1_1, V5_0, V3_1_1];
/// How many connections of each client are cut.
const CUTS: usize = 5;
/// A store of this many bytes is not written anew.
const SMALL_STORE: u64 = 1 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (address, store) = match arguments[..] {
        [] => (None, None),
        [address] => (Some(address), None),
        [address, "--store", file] => (Some(address), Some(Path::new(file))),
        _ => {
            eprintln!("usage: server [ADDRESS [--store FILE]]");
            return ExitCode::FAILURE;
        }
    };
    match LocalSet::new().run_until(run(address, store)).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("The server cannot go on: {error}.");
            ExitCode::FAILURE
        }
    }
}

async fn run(address: Option<&str>, store: Option<&Path>) -> load::Result<bool> {
    let config = broker::config(store.is_some())?;
    let (store, broker) = match store {
        Some(file) => {
            let (store, broker) = Store::open(file, config, SMALL_STORE)
                .map_err(|error| format!("the store {}: {error}", file.display()))?;
            println!(
                "The store holds {} Sessions and {} retained messages.",
                broker.statistics().sessions,
                broker.statistics().retained,
            );
            (Some(store), broker)
        }
        None => (None, Broker::new(config)),
    };
    let host = Host::new(broker);
    let listener = TcpListener::bind(address.unwrap_or("127.0.0.1:0")).await?;
    let local = listener.local_addr()?;
    println!("The server listens at {local}.");
    let good = if address.is_some() {
        let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
        server::serve(host.clone(), store, listener, stop).await?;
        true
    } else {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let serving = spawn_local(server::serve(host.clone(), store, listener, stopped));
        let good = load::run(&local.to_string(), &CLIENTS, CUTS, true).await?;
        drop(stop);
        serving.await??;
        good
    };
    println!(
        "The server accepted {} connections and took {} messages; {} found no room in a subscriber's queue.",
        host.accepted.get(),
        host.look(|broker| broker.statistics().published),
        host.refused.get(),
    );
    Ok(good)
}
