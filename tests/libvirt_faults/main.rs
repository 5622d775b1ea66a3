//! The libvirt driver against a peer that does what a daemon should, and what it should not.

mod client;
mod closing;
mod flow;
mod keepalive;
mod listing;
mod opening;
mod packets;
mod routing;
#[path = "../rpc_peer/mod.rs"]
mod rpc_peer;
mod sharing;
mod wire;
mod xdr_faults;
