//! A disk in memory that loses what was not synced, and lets a call be the last one of a process.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use super::files::Files;

/// What a crash leaves of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Left {
    /// Nothing of it, in no file, and no file was made or removed.
    Nothing,
    /// Nothing of the contents, but files were made and removed.
    OnlyTheList,
    /// All of it.
    Everything,
    /// The first half of what was appended.
    Torn,
    /// The length, but zero bytes.
    ZeroBytes,
    /// The second half only.
    SecondHalf,
    /// All but the last byte, and then bytes that were never written.
    Trash,
}

impl Left {
    pub(crate) const ALL: [Left; 7] = [
        Left::Nothing,
        Left::OnlyTheList,
        Left::Everything,
        Left::Torn,
        Left::ZeroBytes,
        Left::SecondHalf,
        Left::Trash,
    ];
}

#[derive(Clone, Debug, Default)]
struct Contents {
    now: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<u64, Contents>,
    list: BTreeSet<u64>,
    synced_list: BTreeSet<u64>,
    calls: usize,
    crash_at: Option<usize>,
    compactions: usize,
}

/// A handle: the disk outlives the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Rc<RefCell<State>>);

impl Disk {
    pub(crate) fn crash_at(&self, call: Option<usize>) {
        self.0.borrow_mut().crash_at = call;
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.borrow().calls
    }

    pub(crate) fn compactions(&self) -> usize {
        self.0.borrow().compactions
    }

    /// The process is dead: what the next one finds.
    pub(crate) fn crash(&self, left: Left) {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        state.crash_at = None;
        if left == Left::Nothing {
            state.list = state.synced_list.clone();
        } else {
            state.synced_list = state.list.clone();
        }
        for contents in state.files.values_mut() {
            contents.now = remains(contents, left);
            contents.synced = contents.now.clone();
        }
    }

    /// A call that changes something; the change is begun, and then the process is dead.
    fn call(&self, begin: impl FnOnce(&mut State)) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        state.calls += 1;
        if state.crash_at == Some(state.calls) {
            begin(&mut state);
            return Err(io::Error::other("the process is dead"));
        }
        Ok(())
    }

    /// A change that is there at once, for this process, and not safe.
    fn change(&self, change: impl Fn(&mut State)) -> io::Result<()> {
        self.call(&change)?;
        change(&mut self.0.borrow_mut());
        Ok(())
    }
}

fn remains(contents: &Contents, left: Left) -> Vec<u8> {
    let Contents { now, synced } = contents;
    if now == synced || left == Left::Everything {
        return now.clone();
    }
    let Some(tail) = now.strip_prefix(&synced[..]) else {
        // It was cut, or began anew.
        return match left {
            Left::Nothing | Left::OnlyTheList => synced.clone(),
            _ => now.clone(),
        };
    };
    let half = tail.len() / 2;
    let mut kept = synced.clone();
    match left {
        Left::Nothing | Left::OnlyTheList | Left::Everything => {}
        Left::Torn => kept.extend(&tail[..half]),
        Left::ZeroBytes => kept.resize(now.len(), 0),
        Left::SecondHalf => {
            kept.resize(synced.len() + half, 0);
            kept.extend(&tail[half..]);
        }
        Left::Trash => {
            kept.extend(&tail[..tail.len() - 1]);
            kept.extend((0..600).map(|number| number as u8));
        }
    }
    kept
}

impl Files for Disk {
    fn list(&self) -> io::Result<Vec<u64>> {
        Ok(self.0.borrow().list.iter().copied().collect())
    }

    fn read(&self, number: u64) -> io::Result<Vec<u8>> {
        let state = self.0.borrow();
        let contents = state.files.get(&number).ok_or(io::ErrorKind::NotFound)?;
        Ok(contents.now.clone())
    }

    fn create(&mut self, number: u64) -> io::Result<()> {
        self.change(|state| {
            state.list.insert(number);
            state.files.entry(number).or_default().now.clear();
        })?;
        self.0.borrow_mut().compactions += 1;
        Ok(())
    }

    fn append(&mut self, number: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(|state| {
            let contents = state.files.get_mut(&number).expect("it was created");
            contents.now.extend_from_slice(bytes);
        })
    }

    fn truncate(&mut self, number: u64, length: u64) -> io::Result<()> {
        self.change(|state| {
            let contents = state.files.get_mut(&number).expect("it was created");
            contents.now.truncate(length as usize);
        })
    }

    fn sync(&mut self, number: u64) -> io::Result<()> {
        self.call(|_| {})?;
        let mut state = self.0.borrow_mut();
        let contents = state.files.get_mut(&number).expect("it was created");
        contents.synced = contents.now.clone();
        Ok(())
    }

    fn sync_list(&mut self) -> io::Result<()> {
        self.call(|_| {})?;
        let mut state = self.0.borrow_mut();
        state.synced_list = state.list.clone();
        Ok(())
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        self.change(|state| {
            state.list.remove(&number);
        })
    }
}
