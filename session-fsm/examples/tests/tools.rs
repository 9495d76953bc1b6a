//! The command-line programs, at the server of mqtt5-tokio.

#[path = "tools/house.rs"]
mod house;

#[path = "tools/connection.rs"]
mod connection;
#[path = "tools/publish.rs"]
mod publish;
#[path = "tools/requests.rs"]
mod requests;
#[path = "tools/subscribe.rs"]
mod subscribe;
#[path = "tools/transports.rs"]
mod transports;
