//! Deliberate faults: whether the checks of this workspace notice that a rule is broken.
//!
//! `fault!("name", right, wrong)` stands where a rule is kept. It is `right`, and no more than that, unless
//! the crate is compiled with `--cfg mqtt5_faults`; then it is `wrong` if the fault with that name is
//! switched on. `fault!("name")` is whether it is on: always `false` without the cfg.
//!
//! A crate that is used by others is never compiled with it. `spec-tests/faults.toml` says what each fault
//! is for.

#[cfg(not(mqtt5_faults))]
macro_rules! fault {
    ($name:literal) => {
        false
    };
    ($name:literal, $right:expr, $wrong:expr $(,)?) => {
        $right
    };
}

#[cfg(mqtt5_faults)]
macro_rules! fault {
    ($name:literal) => {{
        static SWITCH: $crate::faults::Switch = $crate::faults::Switch::new($name);
        SWITCH.is_on()
    }};
    ($name:literal, $right:expr, $wrong:expr $(,)?) => {
        // Not `if`: what is borrowed for a value has to live as long as it would without the fault.
        match fault!($name) {
            true => $wrong,
            false => $right,
        }
    };
}
