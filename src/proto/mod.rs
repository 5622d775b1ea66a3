//! The protocols without I/O: bytes, instants and requests in; bytes, events and answers out.
//!
//! Nothing here reads a socket, a clock or the environment, and nothing here panics on input.

pub mod frame;
pub mod json;
pub mod outbox;
pub mod qmp;
pub mod reply;
pub mod request;
pub mod slots;
