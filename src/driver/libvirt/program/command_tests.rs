//! What is run for which URI; and that a shell takes the words of hostile ones for words.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::driver::libvirt::route::Route;
use crate::target::uri::Uri;

/// The words after the program.
fn words(uri: &str) -> Vec<String> {
    let program = find(uri).unwrap_or_else(|why| panic!("{uri}: {why}"));
    program.command().get_args().map(|word| word.to_str().unwrap().to_owned()).collect()
}

fn find(uri: &str) -> Result<Program> {
    find_if(uri, true)
}

fn find_if(uri: &str, allowed: bool) -> Result<Program> {
    let uri = Uri::parse(uri)?;
    match Route::find(&uri, allowed)? {
        Route::Program(program) => Ok(program),
        _ => panic!("{} needs no program", uri.link),
    }
}

fn refused(uri: &str) -> String {
    let error = find(uri).expect_err(uri);
    assert_eq!(error.code(), Code::InvalidArgument, "{uri}: {error}");
    error.to_string()
}

const NC: &str = r#"if LC_ALL=C '"'"'nc'"'"' -q </dev/null 2>&1 | grep '"'"'requires an argument'"'"' >/dev/null; then Q=-q0; else Q=; fi; exec '"'"'nc'"'"' $Q -U"#;

#[test]
fn the_words_for_ssh() {
    let table: [(&str, &[&str]); 6] = [
        ("qemu+ssh://h/system", &["-T", "-e", "none", "-o", "BatchMode=yes", "--", "h"]),
        ("qemu+ssh:///system", &["-T", "-e", "none", "-o", "BatchMode=yes", "--", "localhost"]),
        ("qemu+ssh://[::1]/system?no_tty=1", &["-T", "-e", "none", "-o", "BatchMode=yes", "--", "::1"]),
        ("qemu+ssh://h/system?no_tty=0&no_verify=0", &["-T", "-e", "none", "-o", "BatchMode=yes", "--", "h"]),
        (
            "qemu+ssh://root@h:2222/system?keyfile=/a%20b",
            &["-p", "2222", "-l", "root", "-i", "/a b", "-T", "-e", "none", "-o", "BatchMode=yes", "--", "h"],
        ),
        (
            "qemu+ssh://h/system?no_verify=1",
            &["-T", "-e", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "--", "h"],
        ),
    ];
    for (uri, expected) in table {
        let words = words(uri);
        let (remote, before) = words.split_last().unwrap();
        assert_eq!(before, expected, "{uri}");
        assert!(remote.starts_with("sh -c '") && remote.ends_with('\''), "{remote}");
        assert_eq!(find(uri).unwrap().command().get_program(), "ssh");
    }
}

#[test]
fn the_remote_command() {
    let system = "'\"'\"'/var/run/libvirt/libvirt-sock'\"'\"'";
    let helper = |uri: &str| format!("exec virt-ssh-helper '\"'\"'{uri}'\"'\"'");
    let auto = |uri: &str, socket: &str| {
        format!("if command -v virt-ssh-helper >/dev/null 2>&1; then {}; else {NC} {socket}; fi", helper(uri))
    };
    let table = [
        ("qemu+ssh://h/system", auto("qemu:///system", system)),
        ("qemu+ssh://h/system?mode=legacy&a=b", auto("qemu:///system?a=b&mode=legacy", system)),
        (
            "qemu+ssh://h/system?mode=direct",
            auto("qemu:///system?mode=direct", &system.replace("libvirt-sock", "virtqemud-sock")),
        ),
        ("qemu+ssh://h/session", helper("qemu:///session")),
        ("qemu+ssh://h/session?proxy=native", helper("qemu:///session")),
        ("qemu+ssh://h/system?proxy=native&mode=direct", helper("qemu:///system?mode=direct")),
        ("qemu+ssh://h/system?name=test:///x%23y", auto("test:///x", system)),
        ("qemu+ssh://h/system?proxy=netcat", format!("{NC} {system}")),
        ("qemu+ssh://h/system?socket=/a%20b", format!("{NC} '\"'\"'/a b'\"'\"'")),
        ("qemu+ssh://h/session?proxy=netcat&socket=s", format!("{NC} '\"'\"'s'\"'\"'")),
        ("qemu+ssh://h/system?netcat=/opt/my%20nc", {
            let netcat = NC.replace("'\"'\"'nc'\"'\"'", "'\"'\"'/opt/my nc'\"'\"'");
            format!("{netcat} {system}")
        }),
    ];
    for (uri, expected) in table {
        assert_eq!(words(uri).pop().unwrap(), format!("sh -c '{expected}'"), "{uri}");
    }
    for uri in ["qemu+ssh://h/session?proxy=netcat", "qemu+ssh://h/session?netcat=/n"] {
        assert!(refused(uri).contains("socket="), "{uri}");
    }
    assert!(refused("qemu+ssh://h/system?proxy=native&socket=/s").contains("contradicts"));
}

#[test]
fn a_read_only_socket_is_known() {
    assert!(find("qemu+ssh://h/system?socket=/run/libvirt-sock-ro").unwrap().is_read_only);
    assert!(!find("qemu+ssh://h/system?socket=/run/libvirt-sock").unwrap().is_read_only);
}

#[test]
fn ext_is_the_program_alone() {
    let program = find("qemu+ext://some.host/system?command=/a%20b%20%24(c)").unwrap();
    assert_eq!(program.command().get_program(), "/a b $(c)");
    assert_eq!(program.command().get_args().count(), 0);
    assert_eq!(program.name(), "a b $(c)");
}

#[test]
fn programs_that_a_uri_names_need_leave() {
    for uri in [
        "qemu+ssh://h/system?command=/c",
        "qemu+ssh://h/system?Command=/c",
        "qemu+ssh://h/system?netcat=/n",
        "qemu+ext:///system?command=/c",
    ] {
        let error = find_if(uri, false).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{uri}");
        assert!(error.to_string().contains("allow-programs=on"), "{error}");
    }
    for uri in ["qemu+ssh://h/system", "qemu+ssh://h/system?keyfile=/k&socket=/s"] {
        assert!(find_if(uri, false).is_ok(), "{uri}");
    }
    // Where it means nothing it does no harm.
    assert!(Route::find(&Uri::parse("qemu+tcp://h/system?command=/c").unwrap(), false).is_ok());
}

/// A folder with programs that write down how they were called, and nothing else on PATH.
struct Bench {
    folder: PathBuf,
}

impl Bench {
    fn new(programs: &[&str]) -> Bench {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("libqmp-words-{}-{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let bench = Bench { folder };
        programs.iter().for_each(|name| bench.recorder(name));
        for tool in ["sh", "grep"] {
            let path = ["/bin", "/usr/bin"].map(|at| Path::new(at).join(tool)).into_iter().find(|p| p.exists());
            std::os::unix::fs::symlink(path.unwrap(), bench.folder.join(tool)).unwrap();
        }
        bench
    }

    /// Appends its name and its arguments to `called`, each ended by a NUL.
    fn recorder(&self, name: &str) {
        let path = self.folder.join(name);
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = -q ] && exit\nprintf '%s\\0' {} \"$@\" >>'{}'\n",
            quoted(name),
            self.folder.join("called").display()
        );
        write_program(&path, &script);
    }

    /// Lets a login shell run this, and gives what was called with which arguments.
    fn run(&self, shell: &str, command: &str) -> Vec<String> {
        let _ = fs::remove_file(self.folder.join("called"));
        let output = Command::new(shell)
            .arg("-c")
            .arg(command)
            .current_dir(&self.folder)
            .env("PATH", &self.folder)
            .output()
            .unwrap();
        let called = fs::read(self.folder.join("called")).unwrap_or_default();
        let called = String::from_utf8(called).unwrap();
        let words: Vec<String> = called.split_terminator('\0').map(str::to_owned).collect();
        assert!(!words.is_empty(), "{command}: nothing was called: {output:?}");
        words
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(&self.folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "called");
        names.sort();
        names
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// By another process: a program that is open for writing cannot be run, and a fork of another thread may keep it so.
fn write_program(path: &Path, text: &str) {
    let mut shell = Command::new("/bin/sh");
    let made = shell.args(["-c", "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\""]).arg(path).arg(text).status();
    assert!(made.unwrap().success());
}

/// Texts that are more than a word to a shell that is given them badly. What they would do is make a file.
const TEXTS: [&str; 22] = [
    "a b",
    "a'b",
    "';>marker;'",
    "'\"'\"';>marker;'\"'\"'",
    "'\\'';>marker;'\\''",
    "\"",
    "\";>marker;\"",
    "$(>marker)",
    "`>marker`",
    "${IFS}>marker",
    "$HOME",
    ";>marker",
    "&& >marker",
    "| tee marker",
    "& >marker &",
    ">marker",
    "<marker",
    "#x",
    "*",
    "~",
    "!!",
    "a\n>marker\n",
];

/// Percent-encoded, every byte of it.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Shells that are there, among those that people log in with.
fn shells() -> Vec<&'static str> {
    let all = ["/bin/sh", "/bin/bash", "/bin/dash", "/bin/zsh", "/usr/bin/fish", "/bin/ksh", "/bin/tcsh"];
    all.into_iter().filter(|path| Path::new(path).exists()).collect()
}

/// Every hostile text in every place: it arrives as the one word that it is, or the URI is refused; and nothing else is
/// called, and no file is made.
#[test]
fn hostile_texts_stay_words() {
    let bench = Bench::new(&["nc"]);
    for text in TEXTS {
        let odd = text.contains(['\n', '\\']);
        for (parameter, place) in [("socket", 1), ("netcat", 0)] {
            let other = if parameter == "netcat" { "&socket=/s" } else { "" };
            let uri = format!("qemu+ssh://h/system?{parameter}={}{other}", encoded(text));
            if odd {
                assert!(refused(&uri).contains("control characters"), "{uri}");
                continue;
            }
            if parameter == "netcat" && !text.contains('/') {
                bench.recorder(text);
            }
            let remote = words(&uri).pop().unwrap();
            let before = bench.files();
            for shell in shells() {
                let called = bench.run(shell, &remote);
                assert_eq!(called[if place == 1 { called.len() - 1 } else { 0 }], *text, "{shell}: {remote}");
                let flags: &[&str] = if place == 1 { &["nc", "-U"] } else { &["-U", "/s"] };
                assert!(flags.iter().all(|flag| called.iter().any(|word| word == flag)), "{called:?}");
                assert_eq!(called.len(), 3, "{called:?}");
            }
            assert_eq!(bench.files(), before, "{remote}");
        }
        // ssh's own arguments see no shell.
        let given = words(&format!("qemu+ssh://h/system?keyfile={}", encoded(text)));
        assert_eq!(given[..2], ["-i", text]);
    }
}

#[test]
fn hostile_names_stay_words() {
    let bench = Bench::new(&["virt-ssh-helper", "nc"]);
    let before = bench.files();
    for text in TEXTS {
        let uri = format!("qemu+ssh://h/system?name=qemu:///{}", encoded(text));
        if text.contains(['\n', '\\']) {
            refused(&uri);
            continue;
        }
        let remote = words(&uri).pop().unwrap();
        let expected = format!("qemu:///{}", text.split('#').next().unwrap());
        for shell in shells() {
            assert_eq!(bench.run(shell, &remote), ["virt-ssh-helper", &expected], "{shell}: {remote}");
        }
        // The same where the path of an ordinary parameter carries it on to the daemon.
        let remote = words(&format!("qemu+ssh://h/system?x={}", encoded(text))).pop().unwrap();
        let expected = format!("qemu:///system?x={}", encoded(text));
        assert_eq!(bench.run("/bin/sh", &remote), ["virt-ssh-helper", &expected]);
    }
    assert_eq!(bench.files(), before);
}

#[test]
fn a_leading_dash_is_no_word() {
    for uri in [
        "qemu+ssh://h/system?socket=-oProxyCommand=x",
        "qemu+ssh://h/system?netcat=-e",
        "qemu+ssh://h/system?netcat=%2De&socket=/s",
        "qemu+ssh://h/system?name=-r",
        "qemu+ssh://-oProxyCommand=x/system",
        "qemu+ssh://-x@h/system",
    ] {
        refused(uri);
    }
    // An option takes the next word whatever it looks like.
    assert_eq!(words("qemu+ssh://h/system?keyfile=-oProxyCommand=x")[..2], ["-i", "-oProxyCommand=x"]);
}

#[test]
fn netcat_is_asked_whether_it_needs_q0() {
    let bench = Bench::new(&[]);
    let remote = words("qemu+ssh://h/system?socket=/s").pop().unwrap();
    let script = format!(
        "#!/bin/sh\n[ $# = 1 ] && {{ echo \"nc: option requires an argument -- 'q'\" >&2; exit 1; }}\n\
         printf '%s\\0' \"$@\" >'{}'\n",
        bench.folder.join("called").display()
    );
    write_program(&bench.folder.join("nc"), &script);
    assert_eq!(bench.run("/bin/sh", &remote), ["-q0", "-U", "/s"]);
}

#[test]
fn the_environment_is_left_alone() {
    let program = find("qemu+ssh://h/system").unwrap();
    assert_eq!(program.command().get_envs().collect::<Vec<(&OsStr, Option<&OsStr>)>>(), []);
}
