//! Writes the C header, and names the shared library.

use std::path::Path;
use std::{env, fs};

/// The order in which a reader of the header meets things.
const SOURCES: [&str; 9] =
    ["library", "error", "buffer", "callback", "reactor", "monitor", "credentials", "command", "events"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=src/ffi");
    println!("cargo:rerun-if-changed=include/libqmp.h");
    let soname = format!("libqmp.so.{}", soversion());
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{soname}");
    write_header();
}

/// The number in the soname, the first of the library's own version in Cargo.toml. It changes when programs have to be
/// compiled again, whatever the package's version says.
fn soversion() -> u32 {
    let manifest = fs::read_to_string("Cargo.toml").expect("Cargo.toml can be read");
    let (_, section) = manifest.split_once("[package.metadata.capi.library]\n").expect("the library has a section");
    let version =
        section.lines().find_map(|line| line.strip_prefix("version = \"")).expect("the library has a version");
    let (number, _) = version.split_once('.').expect("a version has dots");
    number.parse().expect("the soname has a number")
}

fn write_header() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("Cargo sets CARGO_MANIFEST_DIR");
    let root = Path::new(&root);
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml can be read");
    config.after_includes = Some(version_macros());
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join(format!("src/ffi/{source}.rs")));
    }
    let mut text = Vec::new();
    builder.generate().expect("cbindgen understands src/ffi").write(&mut text);
    // A negative number in a macro wants parentheses, which cbindgen does not give it.
    let text = String::from_utf8(text).expect("cbindgen writes UTF-8");
    let text = text.replace("_FOREVER -1", "_FOREVER (-1)").replace("_DEFAULT -2", "_DEFAULT (-2)");
    let path = root.join("include/libqmp.h");
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return;
    }
    fs::create_dir_all(root.join("include")).and_then(|()| fs::write(&path, text)).unwrap_or_else(|why| {
        panic!("{} is not up to date and cannot be written: {why}", path.display());
    });
}

fn version_macros() -> String {
    let part = |name: &str| env::var(format!("CARGO_PKG_VERSION_{name}")).expect("Cargo sets the version");
    let (major, minor, patch) = (part("MAJOR"), part("MINOR"), part("PATCH"));
    format!(
        "\n/* The version of this header; qmp_version() is that of the library. */\n\
         #define LIBQMP_VERSION_MAJOR {major}\n\
         #define LIBQMP_VERSION_MINOR {minor}\n\
         #define LIBQMP_VERSION_PATCH {patch}\n\
         #define LIBQMP_VERSION_STRING \"{major}.{minor}.{patch}\"\n\
         #define LIBQMP_VERSION \\\n    \
         ((LIBQMP_VERSION_MAJOR << 16) | (LIBQMP_VERSION_MINOR << 8) | LIBQMP_VERSION_PATCH)"
    )
}
