//! The files with credentials that libvirt reads. Which of them is read depends on the environment, so each case is a
//! process of its own: this test program again, told to log in.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use qmp::monitor::Monitor;

use super::bed::{Bed, PASSWORD, USER, auth_conf};
use super::log_in;

/// Set in such a process: where it is to log in.
const TARGET: &str = "LIBQMP_TEST_TARGET";

/// What a process of its own does. Without a target it looks whether such a process tells what it should.
#[test]
fn child() {
    let Ok(target) = env::var(TARGET) else {
        let said = log_in_with("qemu+tls://127.0.0.1:1/session?pkipath=/nowhere", &[]);
        return assert!(said.contains("REFUSED Auth") && said.contains("/nowhere/cacert.pem"), "{said}");
    };
    match log_in(Monitor::new(None, &target).unwrap()) {
        Ok(()) => println!("LOGGED IN"),
        Err(why) => println!("REFUSED {:?} {why} {why:?}", why.code()),
    }
}

/// What came of it in this environment.
fn log_in_with(target: &str, environment: &[(&str, &str)]) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "files::child", "--nocapture"])
        .env_clear()
        .envs(environment.iter().copied())
        .env(TARGET, target)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn file(bed: &Bed, name: &str, text: &str) -> String {
    let path: PathBuf = bed.daemon.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_place_is_looked_at_in_its_turn() {
    let Some(bed) = Bed::shared() else { return };
    let good = file(&bed, "files/good.conf", &auth_conf("default", USER, PASSWORD));
    let bad = file(&bed, "files/bad.conf", &auth_conf("default", USER, "wrong-pass-2"));
    file(&bed, "files/config/libvirt/auth.conf", &auth_conf("localhost", USER, PASSWORD));
    file(&bed, "files/home/.config/libvirt/auth.conf", &auth_conf("localhost", USER, PASSWORD));
    file(&bed, "files/other/libvirt/auth.conf", &auth_conf("localhost", USER, "wrong-pass-2"));
    let at = |name: &str| bed.daemon.path(name).to_str().unwrap().to_owned();
    let (config, other, home) = (at("files/config"), at("files/other"), at("files/home"));
    let unix = bed.unix();
    let (with_good, with_bad) = (format!("{unix}&authfile={good}"), format!("{unix}&authfile={bad}"));
    let logged_in: [(&str, &[(&str, &str)]); 6] = [
        (&unix, &[("LIBVIRT_AUTH_FILE", &good)]),
        (&with_bad, &[("LIBVIRT_AUTH_FILE", &good), ("XDG_CONFIG_HOME", &other)]),
        (&with_good, &[("XDG_CONFIG_HOME", &other)]),
        (&unix, &[("XDG_CONFIG_HOME", &config), ("HOME", &other)]),
        (&unix, &[("HOME", &home)]),
        (&unix, &[("HOME", &home), ("XDG_CONFIG_HOME", ""), ("LIBVIRT_AUTH_FILE", "")]),
    ];
    for (target, environment) in logged_in {
        let said = log_in_with(target, environment);
        assert!(said.contains("LOGGED IN"), "{target} {environment:?}: {said}");
    }
    type Refused<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let refused: [Refused<'_>; 4] = [
        (&with_good, &[("LIBVIRT_AUTH_FILE", &bad)], "libvirt's error 45"),
        (&unix, &[("XDG_CONFIG_HOME", &other), ("HOME", &home)], "libvirt's error 45"),
        (&with_good, &[("LIBVIRT_AUTH_FILE", "/nowhere/auth.conf")], "/nowhere/auth.conf cannot be read"),
        (&unix, &[("LIBVIRT_AUTH_FILE", "/dev/null")], "neither [auth-libvirt-localhost] nor"),
    ];
    for (target, environment, part) in refused {
        let said = log_in_with(target, environment);
        assert!(said.contains("REFUSED Auth"), "{target} {environment:?}: {said}");
        assert!(said.contains(part), "{said}");
        assert!(!said.contains(PASSWORD) && !said.contains("wrong-pass-2"), "a password is told: {said}");
    }
}

/// A host of its own, over TLS, by what the URI calls it.
#[test]
fn hosts_have_credentials_of_their_own() {
    let Some(bed) = Bed::shared() else { return };
    let text = auth_conf("127.0.0.1", USER, PASSWORD)
        + &auth_conf("default", USER, "wrong-pass-2").replace("-x]", "-y]").replace("=x", "=y");
    let file = file(&bed, "files/hosts.conf", &text);
    let said = log_in_with(&bed.tls(), &[("LIBVIRT_AUTH_FILE", &file)]);
    assert!(said.contains("LOGGED IN"), "{said}");
    let said = log_in_with(&bed.unix(), &[("LIBVIRT_AUTH_FILE", &file)]);
    assert!(said.contains("libvirt's error 45"), "{said}");
}

/// The system's file is looked at last. It is the machine's own: what it holds is not for the test to say.
#[test]
fn with_no_file_at_all_nobody_logs_in() {
    let Some(bed) = Bed::shared() else { return };
    if fs::exists("/etc/libvirt/auth.conf").unwrap() {
        println!("SKIPPED: this machine has an /etc/libvirt/auth.conf");
        return;
    }
    let said = log_in_with(&bed.unix(), &[("HOME", "/nowhere")]);
    assert!(said.contains("REFUSED Auth") && said.contains("there is no auth.conf"), "{said}");
}
