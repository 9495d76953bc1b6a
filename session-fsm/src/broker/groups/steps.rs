//! Counts steps for the tests: each look at a slot of a list, and each comparison in a table.

#[cfg(not(test))]
#[inline]
pub(super) const fn count() {}

#[cfg(test)]
pub(super) use counted::{count, of};

#[cfg(test)]
mod counted {
    extern crate std;

    use core::cell::Cell;

    std::thread_local! {
        static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    pub(in super::super) fn count() {
        STEPS.set(STEPS.get() + 1);
    }

    /// Returns how many steps a call takes.
    pub(in super::super) fn of<T>(call: impl FnOnce() -> T) -> (T, u64) {
        let before = STEPS.get();
        let result = call();
        (result, STEPS.get() - before)
    }
}
