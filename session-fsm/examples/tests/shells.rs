//! The I/O shells of the example client and the example server, in simulated time: their streams are memory, and
//! tokio's clock stands still while anybody has something to do.

#[path = "../src/shell/broker.rs"]
mod broker;
#[path = "../src/shell/client.rs"]
mod client;
#[path = "../src/shell/server.rs"]
#[allow(dead_code)] // It listens nowhere.
mod server;
#[path = "../src/shell/store.rs"]
mod store;
#[path = "../src/shell/stream.rs"]
#[allow(dead_code)] // It connects nowhere.
mod stream;

#[path = "shells/client_liveness.rs"]
mod client_liveness;
#[path = "shells/load.rs"]
mod load;
#[path = "shells/refusals.rs"]
mod refusals;
#[path = "shells/server_liveness.rs"]
mod server_liveness;
#[path = "shells/stored.rs"]
mod stored;
#[path = "shells/wire.rs"]
mod wire;

use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{Instant, advance, timeout};

/// Runs a scenario. Time passes only when every task waits for it.
fn simulate(scenario: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let scenario = async {
        // What never ends ends here, at once by the clock on the wall.
        let day = Duration::from_secs(24 * 60 * 60);
        timeout(day, scenario).await.expect("an end within a day");
    };
    LocalSet::new().block_on(&runtime, scenario);
}

/// The process is stopped: time passes, and no task runs meanwhile.
async fn stop_the_process(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}

async fn sleep_ms(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// How many milliseconds a wait takes.
async fn duration_of<T>(wait: impl Future<Output = T>) -> (u64, T) {
    let start = Instant::now();
    let result = wait.await;
    (start.elapsed().as_millis() as u64, result)
}
