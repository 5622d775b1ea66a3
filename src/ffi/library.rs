//! What library this is.

use std::ffi::{CStr, c_char};

/// The version of the library that runs: major << 16 | minor << 8 | patch. Compare it with LIBQMP_VERSION, the version
/// of the header that was compiled against. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn qmp_version() -> u32 {
    VERSION
}

/// The version of the library that runs, "0.1.0". The text is static. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn qmp_version_string() -> *const c_char {
    VERSION_STRING.as_ptr()
}

const VERSION: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | number(env!("CARGO_PKG_VERSION_PATCH"));

const VERSION_STRING: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(text) => text,
    Err(_) => panic!("Cargo's version contains a NUL"),
};

const fn number(digits: &str) -> u32 {
    let (digits, mut value, mut i) = (digits.as_bytes(), 0, 0);
    while i < digits.len() {
        value = value * 10 + (digits[i] - b'0') as u32;
        i += 1;
    }
    value
}

/// For functions that take a timeout: wait as long as it takes.
pub const QMP_TIMEOUT_FOREVER: i32 = -1;
/// For functions that take a timeout: the monitor's option "timeout".
pub const QMP_TIMEOUT_DEFAULT: i32 = -2;
