//! Deliberate faults, as in the codec: `fault!("name", right, wrong)` is `right`, and
//! `fault!("name")` is `false`, unless the crate is compiled with `--cfg mqtt5_faults`.

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
        static SWITCH: mqtt5_codec::faults::Switch = mqtt5_codec::faults::Switch::new($name);
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
