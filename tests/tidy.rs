//! Keeps the invariants of ARCHITECTURE.md: who may use whom, where `unsafe` stands, what the protocol layer does
//! without, and how long things grow. It reads the sources as text.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first; a module may use those before it. Modules on one line may use each other.
const LAYERS: [&[&str]; 7] =
    [&["error"], &["target", "proto"], &["sys"], &["reactor"], &["driver"], &["events", "monitor"], &["ffi"]];

/// What the protocol layer does without: I/O, time of its own, and panics.
const NOT_IN_PROTO: [&str; 15] = [
    "mio::",
    "libc::",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::env",
    "Instant::now",
    "SystemTime",
    ".unwrap()",
    ".expect(",
    "panic!(",
    "unreachable!(",
    "assert!(",
];

/// What no source holds.
const NOWHERE: [&str; 8] =
    ["todo!(", "unimplemented!(", "dbg!(", "#[ignore", "println!(", "eprintln!(", "process::exit", "FIXME"];

const LONGEST_FILE: usize = 600;
const LONGEST_FUNCTION: usize = 70;

struct Source {
    path: PathBuf,
    /// The module below the crate's root: `proto` for src/proto/frame.rs.
    module: String,
    /// The text before its unit tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 30, "only {} sources found below {}", files.len(), root.display());
    files
        .into_iter()
        .filter(|path| !path.to_string_lossy().ends_with("_tests.rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            let below = path.strip_prefix(&root).unwrap();
            let first = below.components().next().unwrap().as_os_str().to_string_lossy();
            Source { module: first.trim_end_matches(".rs").to_owned(), path, code }
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// The lines of code, numbered, without comments.
fn lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    source.code.lines().enumerate().map(|(n, line)| (n + 1, line.split("//").next().unwrap()))
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

#[test]
fn modules_use_only_what_stands_below_them() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| s.module != "lib") {
        let own = layer(&source.module).unwrap_or_else(|| panic!("{} is in no layer", source.path.display()));
        for (n, line) in lines(source) {
            for used in line.split("crate::").skip(1) {
                let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(other) = layer(&name) else { continue };
                // target stands beside proto, not inside it.
                let same = other == own && name != source.module && source.module == "proto";
                if other > own || same {
                    wrong.push(format!("{}:{n}: {} uses {name}", source.path.display(), source.module));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "against the layer order of ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn drivers_do_not_know_each_other() {
    for source in sources().iter().filter(|s| s.module == "driver") {
        let path = source.path.to_string_lossy().into_owned();
        for other in ["socket", "libvirt", "virsh"].iter().filter(|o| !path.contains(&format!("driver/{o}"))) {
            if path.ends_with("driver/mod.rs") {
                continue;
            }
            assert!(!source.code.contains(&format!("driver::{other}")), "{path} uses the {other} driver");
        }
    }
}

#[test]
fn unsafe_stands_in_sys_and_ffi_alone_and_says_why() {
    for source in &sources() {
        let all: Vec<_> = source.code.lines().collect();
        for (n, line) in lines(source).filter(|(_, line)| line.contains("unsafe ") || line.contains("unsafe{")) {
            // A function that is unsafe to call says so in its documentation. #[unsafe(no_mangle)] and the declaration of an exported function do nothing by themselves.
            if line.contains("unsafe(") || line.contains("unsafe extern \"C\" fn") {
                continue;
            }
            let place = format!("{}:{n}", source.path.display());
            assert!(["sys", "ffi"].contains(&source.module.as_str()), "{place}: unsafe outside sys and ffi");
            let before = &all[n.saturating_sub(16)..n];
            assert!(
                before.iter().any(|l| l.contains("// SAFETY:") || l.contains("/// # Safety")),
                "{place}: unsafe without a SAFETY comment"
            );
        }
    }
}

#[test]
fn the_protocol_layer_has_no_io_no_clock_and_no_panics() {
    for source in sources().iter().filter(|s| s.module == "proto") {
        for (n, line) in lines(source) {
            if let Some(word) = NOT_IN_PROTO.iter().find(|word| line.contains(**word)) {
                panic!("{}:{n}: {word} in the protocol layer", source.path.display());
            }
        }
    }
}

#[test]
fn nothing_unfinished_and_no_output() {
    for source in &sources() {
        for (n, line) in lines(source) {
            if let Some(word) = NOWHERE.iter().find(|word| line.contains(**word)) {
                panic!("{}:{n}: {word}", source.path.display());
            }
        }
    }
}

#[test]
fn files_and_functions_stay_short() {
    let mut wrong = Vec::new();
    for source in &sources() {
        let length = fs::read_to_string(&source.path).unwrap().lines().count();
        if length > LONGEST_FILE {
            wrong.push(format!("{} has {length} lines", source.path.display()));
        }
        let mut start: Option<(usize, usize, &str)> = None;
        for (n, line) in source.code.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let code = line.trim_start();
            let is_fn = ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "pub unsafe extern \"C\" fn "]
                .iter()
                .any(|head| code.starts_with(head));
            if is_fn && start.is_none() {
                start = Some((n, indent, line));
            }
            if let Some((from, depth, head)) = start {
                if indent == depth && (code == "}" || (n == from && code.ends_with('}')) || code.ends_with("};")) {
                    if n - from > LONGEST_FUNCTION {
                        wrong.push(format!("{}:{}: {} lines: {head}", source.path.display(), from + 1, n - from));
                    }
                    start = None;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "too long:\n{}", wrong.join("\n"));
}

#[test]
fn the_readme_shows_the_first_programs_of_the_guides() {
    let read = |page: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let readme = read("README.md");
    for (page, language) in [("docs/cpp.md", "cpp"), ("docs/go.md", "go"), ("docs/python.md", "python")] {
        let guide = read(page);
        let from = guide.find(&format!("```{language}\n")).unwrap();
        let program = &guide[from..from + guide[from..].find("\n```\n").unwrap()];
        assert!(readme.contains(program), "README.md shows another program than {page} begins with");
    }
}
