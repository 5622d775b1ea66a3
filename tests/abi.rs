//! The contract with programs that are linked to us: the header, the exported names, the soname, and how to link.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What libqmp.a needs beside it, in libqmp.pc.in: what `--print native-static-libs` says, but for what compilers add.
const STATIC_LIBS: &str = "-lutil -lrt -lpthread -lm -ldl";

/// Runs a tool. A missing one is a loud skip, and a failure where nothing may be skipped.
fn tool(name: &str, args: &[&str]) -> Option<Output> {
    match Command::new(name).args(args).output() {
        Ok(output) => Some(output),
        Err(why) => {
            assert!(env::var_os("CI").is_none(), "{name} cannot be run: {why}");
            println!("SKIPPED: {name} cannot be run: {why}");
            None
        }
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The folder that Cargo builds the libraries into.
fn built() -> PathBuf {
    let deps = env::current_exe().unwrap().parent().unwrap().to_owned();
    let upper = deps.parent().unwrap().to_owned();
    // Cargo builds all crate types for an integration test; it depends on its version, and on what was built before,
    // which folder has the newest.
    let built = |folder: &PathBuf| fs::metadata(folder.join("libqmp.so")).and_then(|meta| meta.modified()).ok();
    [upper, deps]
        .into_iter()
        .filter(|folder| built(folder).is_some())
        .max_by_key(built)
        .expect("cargo has built libqmp.so")
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn the_header_compiles_alone_in_every_language() {
    let header = format!("{ROOT}/include/libqmp.h");
    for (compiler, standard, language) in [
        ("gcc", "-std=c99", "c"),
        ("gcc", "-std=c11", "c"),
        ("clang", "-std=c99", "c"),
        ("g++", "-std=c++17", "c++"),
        ("clang", "-std=c++17", "c++"),
    ] {
        let args = [standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-x", language, &header];
        if let Some(output) = tool(compiler, &args) {
            assert!(output.status.success(), "{compiler} {standard}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn the_header_declares_what_the_library_exports_and_says_since_when() {
    let header = fs::read_to_string(format!("{ROOT}/include/libqmp.h")).unwrap();
    let symbols = fs::read_to_string(format!("{ROOT}/abi/symbols")).unwrap();
    for symbol in symbols.lines() {
        let declaration =
            |line: &&str| !line.starts_with('/') && !line.starts_with(" *") && line.contains(&format!("{symbol}("));
        let line = header.lines().find(declaration).unwrap_or_else(|| panic!("{symbol} is not in the header"));
        let at = header.find(line).unwrap();
        // The comment in front of the declaration.
        let comment = header[..at].rsplit("\n\n").next().unwrap();
        assert!(comment.contains("Since 0."), "the header does not say since when {symbol} exists");
    }
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        header.contains(&format!("#define LIBQMP_VERSION_STRING \"{version}\"")),
        "the header is of another version"
    );
    let manual = header.split("*/").next().unwrap().lines().count();
    assert!((50..=66).contains(&manual), "the manual on top of the header has {manual} lines");
}

#[test]
fn exactly_the_reviewed_symbols_are_exported() {
    let library = path(&built(), "libqmp.so");
    let Some(output) = tool("nm", &["-D", "--defined-only", "--format=posix", &library]) else { return };
    let exported: BTreeSet<String> =
        text(&output).lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    let reviewed = fs::read_to_string(format!("{ROOT}/abi/symbols")).unwrap();
    let reviewed: BTreeSet<String> = reviewed.lines().map(str::to_owned).collect();
    let new: Vec<_> = exported.difference(&reviewed).collect();
    let gone: Vec<_> = reviewed.difference(&exported).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "the exported symbols changed: new {new:?}, gone {gone:?}. If that is meant, change abi/symbols; a \
         symbol that goes needs a new soname."
    );
}

#[test]
fn the_soname_is_that_of_the_abi() {
    let library = path(&built(), "libqmp.so");
    let Some(output) = tool("readelf", &["-d", &library]) else { return };
    let dynamic = text(&output);
    assert!(dynamic.contains("Library soname: [libqmp.so.0]"), "{dynamic}");
    assert!(!dynamic.contains("TEXTREL") && !dynamic.contains("RPATH") && !dynamic.contains("RUNPATH"), "{dynamic}");
}

#[test]
fn the_pkg_config_file_has_what_linking_needs() {
    let template = fs::read_to_string(format!("{ROOT}/libqmp.pc.in")).unwrap();
    for field in ["Name: libqmp", "Version: @version@", "Libs: -L${libdir} -lqmp", "Cflags: -I${includedir}"] {
        assert!(template.contains(field), "libqmp.pc.in has no \"{field}\"");
    }
    assert!(template.contains(&format!("Libs.private: {STATIC_LIBS}")), "libqmp.pc.in: the static libraries differ");
    let folder = scratch("pc");
    let filled = ["prefix", "exec_prefix", "libdir", "includedir"]
        .iter()
        .fold(template, |text, name| text.replace(&format!("@{name}@"), &format!("/{name}")))
        .replace("@version@", env!("CARGO_PKG_VERSION"));
    assert!(!filled.contains('@'), "a placeholder that nobody fills in: {filled}");
    fs::write(folder.join("libqmp.pc"), filled).unwrap();
    let file = path(&folder, "libqmp.pc");
    if let Some(output) = tool("pkg-config", &["--static", "--libs", "--cflags", &file]) {
        let flags = text(&output);
        for flag in STATIC_LIBS.split(' ').chain(["-L/libdir", "-I/includedir", "-lqmp"]) {
            assert!(flags.contains(flag), "pkg-config gives {flags}");
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_program_links_statically_with_that_list() {
    let folder = scratch("static");
    let (source, program) = (path(&folder, "first.c"), path(&folder, "first"));
    let code = "#include <libqmp.h>\n#include <stdio.h>\n\
                int main(void) { puts(qmp_version_string()); return qmp_version() != LIBQMP_VERSION; }\n";
    fs::write(&source, code).unwrap();
    let include = format!("-I{ROOT}/include");
    let archive = path(&built(), "libqmp.a");
    let mut args = vec!["-std=c99", &include, &source, &archive, "-o", &program];
    args.extend(STATIC_LIBS.split(' '));
    if let Some(output) = tool("gcc", &args) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let output = Command::new(&program).output().unwrap();
        assert_eq!(text(&output).trim(), env!("CARGO_PKG_VERSION"));
    }
    fs::remove_dir_all(folder).unwrap();
}

/// A folder of this test's own.
fn scratch(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("libqmp-abi-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}
