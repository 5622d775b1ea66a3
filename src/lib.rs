//! Talk to running QEMU virtual machines over the QEMU Machine Protocol (QMP), from C and whatever can call C.
//!
//! The modules stand in layer order: each uses those above it, never those below (kept by `tests/tidy.rs`).
//! The C API, `include/libqmp.h`, is the product; the Rust API underneath is what it is made of.

#![warn(missing_docs, unreachable_pub, unused_qualifications)]
#![deny(unsafe_code, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

pub mod error;
pub mod proto;
pub mod target;

#[allow(unsafe_code)]
pub mod sys;

pub mod reactor;

pub mod driver;

pub mod events;
pub mod monitor;

// Doc comments there are the C header's, where a "Safety" section would make no sense.
#[allow(unsafe_code, clippy::missing_safety_doc)]
pub mod ffi;
