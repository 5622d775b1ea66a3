//! Daemons on other machines: over TLS, and many of them at once. Played on loopback.

#![cfg(feature = "tls")]

mod daemon;
mod fleet;
mod pki;
mod tls;
