//! One job for many things, on all processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Runs `job` for each of the things, and returns the results in the order of the things. The second argument of `job` is
/// the number of the thread, from 0.
///
/// # Errors
///
/// The first error of `job`, after all things were tried.
///
/// # Panics
///
/// If `job` panics.
pub fn in_parallel<T: Sync, R: Send>(
    things: &[T],
    job: impl Fn(&T, usize) -> Result<R, String> + Sync,
) -> Result<Vec<R>, String> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let lanes = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for lane in 0..lanes {
            let (next, done, job) = (&next, &done, &job);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(thing) = things.get(index) else {
                        break;
                    };
                    let result = job(thing, lane);
                    done.lock().expect("no thread panics").push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no thread panics");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
