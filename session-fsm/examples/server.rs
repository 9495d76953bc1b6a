//! A small server with many clients, subscriptions, Wills, and Sessions that outlive connections.
//!
//! ```sh
//! cargo run --release --example server                     # with clients of its own, then exits
//! cargo run --release --example server -- 127.0.0.1:1883   # until Ctrl-C
//! ```
//!
//! Copy the I/O shell, `common/server.rs`.

#[path = "common/broker.rs"]
mod broker;
#[path = "common/client.rs"]
mod client;
#[path = "common/cut.rs"]
mod cut;
#[path = "common/load.rs"]
mod load;
#[path = "common/server.rs"]
mod server;
#[path = "common/stream.rs"]
mod stream;

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

const CLIENTS: usize = 4;
/// How many connections of each client are cut.
const CUTS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> load::Result<ExitCode> {
    let address = std::env::args().nth(1);
    LocalSet::new().run_until(run(address)).await
}

async fn run(address: Option<String>) -> load::Result<ExitCode> {
    let broker = broker::Broker::new();
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let local = listener.local_addr()?;
    println!("The server listens at {local}.");
    let good = if address.is_some() {
        let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
        server::serve(broker.clone(), listener, stop).await;
        true
    } else {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let serving = spawn_local(server::serve(broker.clone(), listener, stopped));
        let good = load::run(&local.to_string(), CLIENTS, CUTS, true).await?;
        drop(stop);
        serving.await?;
        good
    };
    println!(
        "The server accepted {} connections and took {} messages; {} found no room in a subscriber's queue.",
        broker.connections.get(),
        broker.messages.get(),
        broker.refused.get(),
    );
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
