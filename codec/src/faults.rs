//! The switches of the deliberate faults. Only with `--cfg mqtt5_faults`.

mod longer;

pub(crate) use longer::*;

use core::sync::atomic::{AtomicU8, Ordering};
use std::io::Write;
use std::{env, fs};

/// The environment variable with the name of the fault that is on.
pub const VARIABLE: &str = "MQTT5_FAULT";

/// The environment variable with the path of a file that is written when the fault that is on is asked for.
pub const REACHED: &str = "MQTT5_FAULT_REACHED";

/// The environment variable with the path of a file that gets the name of each fault that is asked for.
pub const ASKED: &str = "MQTT5_FAULT_ASKED";

const UNKNOWN: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;

/// The place of a fault in the code.
#[derive(Debug)]
pub struct Switch {
    name: &'static str,
    state: AtomicU8,
}

impl Switch {
    /// A place of the fault with this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Switch {
            name,
            state: AtomicU8::new(UNKNOWN),
        }
    }

    /// Whether the fault is on.
    #[must_use]
    #[inline]
    pub fn is_on(&self) -> bool {
        match self.state.load(Ordering::Relaxed) {
            OFF => false,
            ON => true,
            _ => self.find_out(),
        }
    }

    #[cold]
    fn find_out(&self) -> bool {
        let is_on = env::var(VARIABLE).is_ok_and(|name| name == self.name);
        if let Some(path) = env::var_os(REACHED).filter(|_| is_on) {
            fs::write(path, self.name).expect("the file of the reached fault can be written");
        }
        if let Some(path) = env::var_os(ASKED) {
            let file = fs::OpenOptions::new().create(true).append(true).open(path);
            // In one piece: other processes write, too.
            file.and_then(|mut file| file.write_all(std::format!("{}\n", self.name).as_bytes()))
                .expect("the file of the faults that are asked for can be written");
        }
        self.state
            .store(if is_on { ON } else { OFF }, Ordering::Relaxed);
        is_on
    }
}
