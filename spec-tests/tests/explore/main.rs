//! The engines of `mqtt5_spec_tests::explore`, on worlds about which everything is known.

mod alternating_bit;
mod choices;
mod exhaustive;
mod present;
mod random;
#[cfg(feature = "stateright")]
mod stateright;
mod traces;
