//! What wakes the task of a connection.

use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;

/// Nothing has happened, and the task runs.
const SILENT: u8 = 0;
/// Something has happened.
const RUNG: u8 = 1;
/// Nothing has happened, and the task waits.
const WAITING: u8 = 2;

/// Rung when there is something for a connection to do. A task that runs is not woken: it looks here before it waits.
pub(super) struct Bell {
    state: AtomicU8,
    waker: AtomicWaker,
}

impl Bell {
    /// A bell that has rung: a new connection looks first.
    pub(super) fn new() -> Self {
        Bell {
            state: AtomicU8::new(RUNG),
            waker: AtomicWaker::new(),
        }
    }

    pub(super) fn ring(&self) {
        if self.state.swap(RUNG, Ordering::AcqRel) == WAITING {
            self.waker.wake();
        }
    }

    /// Returns whether it has rung since the last call.
    pub(super) fn has_rung(&self) -> bool {
        self.state.swap(SILENT, Ordering::AcqRel) == RUNG
    }

    /// Completes if it has rung since the last call of [`Bell::has_rung`]. One task may wait.
    pub(super) fn poll_rung(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        let state =
            self.state
                .compare_exchange(SILENT, WAITING, Ordering::AcqRel, Ordering::Acquire);
        match state {
            // It rang after the last look, and would not have woken the task.
            Err(RUNG) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn wakes_a_task_that_waits_once_and_one_that_runs_never() {
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(woken.clone());
        let context = &mut Context::from_waker(&waker);
        let count = || woken.0.load(Ordering::Relaxed);
        let bell = Bell::new();
        assert!(bell.has_rung());
        assert!(!bell.has_rung());
        // It rings while the task runs.
        bell.ring();
        assert_eq!(count(), 0);
        assert_eq!(bell.poll_rung(context), Poll::Ready(()));
        assert!(bell.has_rung());
        // It rings twice while the task waits, and then while it runs again.
        assert_eq!(bell.poll_rung(context), Poll::Pending);
        bell.ring();
        bell.ring();
        assert_eq!(count(), 1);
        assert!(bell.has_rung());
        bell.ring();
        assert_eq!(count(), 1);
        // The task is woken by something else, and waits again without a look.
        assert!(bell.has_rung());
        assert_eq!(bell.poll_rung(context), Poll::Pending);
        assert_eq!(bell.poll_rung(context), Poll::Pending);
        bell.ring();
        assert_eq!(count(), 2);
        assert_eq!(bell.poll_rung(context), Poll::Ready(()));
    }
}
