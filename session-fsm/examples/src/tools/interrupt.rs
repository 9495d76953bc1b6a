//! Ctrl-C, and what other programs send instead.

use std::io;

use tokio::sync::Semaphore;

/// Closed when the user wants the program to end, and from then on.
static INTERRUPTED: Semaphore = Semaphore::const_new(0);

/// Begins to listen, so that no signal gets lost between two waits. Call it once, in a runtime.
///
/// # Errors
///
/// The system does not tell.
pub(super) fn listen() -> io::Result<()> {
    let signal = signals()?;
    tokio::spawn(async move {
        signal.await;
        INTERRUPTED.close();
    });
    Ok(())
}

#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signals() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Returns when the user wants the program to end, or has wanted it before.
pub async fn interrupted() {
    // There is never a permit.
    let _ = INTERRUPTED.acquire().await;
}
