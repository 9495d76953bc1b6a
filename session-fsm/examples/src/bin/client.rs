//! Two clients, one of MQTT 5 and one of MQTT 3.1.1, publish and subscribe at QoS 0, 1 and 2, over
//! connections that are cut again and again with messages in flight. Then they count what arrived.
//!
//! ```sh
//! cargo run --release --bin client                      # at the server of the other example
//! cargo run --release --bin client -- 127.0.0.1:1883    # at any other
//! ```
//!
//! Copy the I/O shell, `common/client.rs`.

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
#[allow(dead_code)] // This server has none.
mod store;
#[path = "../shell/stream.rs"]
mod stream;

use std::future::pending;
use std::process::ExitCode;

use mqtt5_session_fsm::broker::Broker;
use mqtt5_session_fsm::codec::ProtocolVersion::{self, V3_1_1, V5_0};
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

/// What the clients speak.
const CLIENTS: [ProtocolVersion; 2] = [V5_0, V3_1_1];
/// How many connections of each client are cut.
const CUTS: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> load::Result<ExitCode> {
    let address = std::env::args().nth(1);
    LocalSet::new().run_until(run(address)).await
}

async fn run(address: Option<String>) -> load::Result<ExitCode> {
    let own = address.is_none();
    let address = match address {
        Some(address) => address,
        None => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?.to_string();
            // The task ends with this process.
            let host = broker::Host::new(Broker::new(broker::config(false)?));
            spawn_local(server::serve(host, None, listener, pending()));
            address
        }
    };
    let good = load::run(&address, &CLIENTS, CUTS, own).await?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
