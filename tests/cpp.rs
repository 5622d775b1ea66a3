//! What C++ programs are promised: the header reaches all of libqmp.h and defines no macros, every program of
//! docs/cpp.md compiles as it stands, and the same program works over all three kinds of target. tests/cpp has the
//! behaviours.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use libvirtd::{Domain, Libvirtd};
use qmp::monitor::{Monitor, Timeout};

#[path = "libvirtd/mod.rs"]
mod libvirtd;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SOON: Timeout = Timeout::Millis(20_000);
const PEDANTIC: [&str; 6] = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"];

#[test]
fn the_header_uses_every_function_and_constant_of_c() {
    let code = header_code();
    let words: Vec<_> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let symbols = fs::read_to_string(format!("{ROOT}/abi/symbols")).unwrap();
    let c = fs::read_to_string(format!("{ROOT}/include/libqmp.h")).unwrap();
    let constants = c.lines().filter_map(|line| line.strip_prefix("#define QMP_"));
    let constants = constants.map(|rest| format!("QMP_{}", rest.split(' ').next().unwrap()));
    let names: Vec<_> = symbols.lines().map(str::to_owned).chain(constants).collect();
    assert!(names.len() > 70, "only {} names found in libqmp.h", names.len());
    let missing: Vec<_> = names.iter().filter(|name| !words.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "include/libqmp.hpp does not reach {missing:?}");
}

#[test]
fn the_header_defines_no_macros_but_its_guards() {
    for file in headers() {
        let stem = file.file_stem().unwrap().to_str().unwrap().to_uppercase();
        let guard = if stem == "LIBQMP" { "LIBQMP_HPP".to_owned() } else { format!("LIBQMP_{stem}_HPP") };
        let text = fs::read_to_string(&file).unwrap();
        let defined: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("#define ")).collect();
        assert_eq!(defined, [guard], "{}", file.display());
    }
}

#[test]
fn every_header_compiles_alone() {
    for file in headers() {
        for (compiler, standard) in [("g++", "17"), ("clang++", "20")] {
            // Type information is not needed.
            compile(compiler, standard, &["-fno-rtti", "-fsyntax-only", "-x", "c++", file.to_str().unwrap()]);
        }
    }
}

#[test]
fn every_program_of_the_guide_compiles_and_works() {
    let scratch = Scratch::new("guide");
    let Some(qemu) = Qemu::start(&scratch) else { return };
    let programs = guide();
    assert!(programs.len() > 5, "only {} programs found in docs/cpp.md", programs.len());
    for (number, text) in programs.iter().enumerate() {
        let source = scratch.file(&format!("guide-{number}.cpp"));
        fs::write(&source, text).unwrap();
        for (compiler, standard) in [("g++", "20"), ("clang++", "17"), ("clang++", "20")] {
            compile(compiler, standard, &["-fsyntax-only", &source]);
        }
        let program = build(&scratch, &source);
        // The first watches until a machine shuts down.
        if number > 0 {
            let output = Command::new(&program).arg(&qemu.target).output().unwrap();
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "program {number} of the guide: {complaints}\n{text}");
            assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "program {number} says nothing");
        }
    }
}

#[test]
fn the_first_program_works_over_every_kind_of_target() {
    let scratch = Scratch::new("first");
    let source = scratch.file("first.cpp");
    fs::write(&source, &guide()[0]).unwrap();
    let program = build(&scratch, &source);
    over_every_kind(&scratch, &program, |lines| {
        assert!(lines[0].contains("\"status\""), "{lines:?}");
        assert!(lines[1].contains("\"LIBQMP_CONNECTED\""), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("\"STOP\"")), "{lines:?}");
        assert!(lines.last().unwrap().contains("\"SHUTDOWN\""), "{lines:?}");
    });
}

#[test]
fn the_example_works_over_every_kind_of_target() {
    let scratch = Scratch::new("example");
    let program = build(&scratch, &format!("{ROOT}/examples-cpp/status-and-events.cpp"));
    over_every_kind(&scratch, &program, |lines| {
        assert!(lines[0].starts_with("status: {"), "{lines:?}");
        assert!(lines[1].starts_with("LIBQMP_CONNECTED: {"), "{lines:?}");
        assert!(lines.last().unwrap().starts_with("SHUTDOWN: {"), "{lines:?}");
    });
    // What came until its time was over, of a machine that does nothing.
    let Some(qemu) = Qemu::start(&scratch) else { return };
    let output = Command::new(&program).args([&qemu.target, "0.5"]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    let output = Command::new(&program).args([&format!("unix:{}", scratch.file("nobody")), "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nobody"));
}

/// Runs a program that prints a status, and then events until the machine shuts down, on QEMU, libvirt and virsh.
fn over_every_kind(scratch: &Scratch, program: &str, check: impl Fn(&[String])) {
    let Some(qemu) = Qemu::start(scratch) else { return };
    check(&watch(program, &qemu.target, &qemu.second));
    let Some(daemon) = Libvirtd::shared() else { return };
    for kind in ["", "virsh:"] {
        let domain = Domain::running(&daemon, Path::new(program).file_name().unwrap().to_str().unwrap());
        check(&watch(program, &format!("{kind}{}", domain.unix()), &domain.second()));
    }
}

/// What it prints, while the machine is stopped, goes on and ends.
fn watch(program: &str, target: &str, second: &str) -> Vec<String> {
    let mut child = Command::new(program).arg(target).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut seen = vec![lines.next().expect("a status")];
    let monitor = Monitor::new(None, second).unwrap();
    monitor.connect(SOON).unwrap();
    // Not by "quit": libvirt 9.0 loses the event of a QEMU that is gone at once.
    let to_shutdown = Some(br#"{"reboot": "shutdown"}"#.as_slice());
    for (command, arguments) in [("stop", None), ("cont", None), ("set-action", to_shutdown)] {
        monitor.execute(command, arguments, SOON).unwrap();
    }
    // It may be gone before its answer is read.
    let _ = monitor.execute("system_reset", None, SOON);
    monitor.free();
    seen.extend(lines);
    let status = child.wait().unwrap();
    assert!(status.success(), "{program} {target}: {status}: {seen:?}");
    seen
}

/// A QEMU with two monitors.
struct Qemu {
    process: Child,
    target: String,
    second: String,
}

impl Qemu {
    fn start(scratch: &Scratch) -> Option<Qemu> {
        if libvirtd::find("qemu-system-x86_64").is_none() {
            assert!(env::var_os("CI").is_none(), "qemu-system-x86_64 is not installed: run scripts/setup.sh test");
            println!("SKIPPED: qemu-system-x86_64 is not installed");
            return None;
        }
        let paths = ["one", "two"].map(|name| scratch.file(name));
        paths.iter().for_each(|path| drop(fs::remove_file(path)));
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-accel", "tcg", "-machine", "none", "-nodefaults", "-display", "none"]);
        for path in &paths {
            command.args(["-qmp", &format!("unix:{path},server=on,wait=off")]);
        }
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        libvirtd::until("QEMU's sockets", || paths.iter().all(|path| Path::new(path).exists()));
        let [target, second] = paths.map(|path| format!("unix:{path}"));
        Some(Qemu { process, target, second })
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder of a test's own, with links that make the library known by its names.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let folder = env::temp_dir().join(format!("libqmp-cpp-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in ["libqmp.so", "libqmp.so.0"] {
            symlink(built(), folder.join(name)).unwrap();
        }
        Scratch(folder)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The library that Cargo has built last: tests may find an older one beside it.
fn built() -> PathBuf {
    let deps = env::current_exe().unwrap().parent().unwrap().to_owned();
    [deps.parent().unwrap().join("libqmp.so"), deps.join("libqmp.so")]
        .into_iter()
        .filter(|file| file.exists())
        .max_by_key(|file| fs::metadata(file).and_then(|meta| meta.modified()).unwrap())
        .expect("cargo has built libqmp.so")
}

/// Compiles with every warning an error. A compiler that is not there is a loud skip, and a failure in CI.
fn compile(compiler: &str, standard: &str, args: &[&str]) {
    let mut command = Command::new(compiler);
    command.arg(format!("-std=c++{standard}")).args(PEDANTIC).arg(format!("-I{ROOT}/include")).args(args);
    match command.output() {
        Ok(output) => {
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{compiler} -std=c++{standard} {args:?}: {complaints}");
        }
        Err(why) => {
            assert!(env::var_os("CI").is_none(), "{compiler} cannot be run: {why}");
            println!("SKIPPED: {compiler} cannot be run: {why}");
        }
    }
}

/// Builds a program of one source. Returns its path.
fn build(scratch: &Scratch, source: &str) -> String {
    let program = scratch.file(Path::new(source).file_stem().unwrap().to_str().unwrap());
    let folder = scratch.0.to_str().unwrap();
    compile("g++", "17", &["-pthread", "-o", &program, source, "-L", folder, "-lqmp", &format!("-Wl,-rpath,{folder}")]);
    program
}

/// The programs of the guide.
fn guide() -> Vec<String> {
    let text = fs::read_to_string(format!("{ROOT}/docs/cpp.md")).unwrap();
    let blocks = text.split("\n```cpp\n").skip(1);
    blocks.map(|block| block.split("\n```\n").next().unwrap().to_owned() + "\n").collect()
}

fn headers() -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from(format!("{ROOT}/include/libqmp.hpp"))];
    files.extend(fs::read_dir(format!("{ROOT}/include/libqmp")).unwrap().map(|entry| entry.unwrap().path()));
    assert!(files.len() > 5, "only {files:?}");
    files
}

/// All the headers' lines, without comments.
fn header_code() -> String {
    let texts = headers().into_iter().map(|file| fs::read_to_string(file).unwrap());
    let code = texts.map(|text| text.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect());
    code.collect::<Vec<String>>().concat()
}
