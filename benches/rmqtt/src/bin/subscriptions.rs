//! Measures the subscription index beside rmqtt's topic tree, in one process.

use mqtt5_benches::subscriptions::program;
use mqtt5_rmqtt_benches::Rmqtt;

fn main() -> std::process::ExitCode {
    program::main(&[program::peer::<Rmqtt>()])
}
