//! Target strings and libvirt's client configuration: whatever they hold is read or refused with words, and what is read
//! fits where it is to go.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qmp::error::Code;
use qmp::proto::libvirt::Wanted;
use qmp::target::conf::{Conf, is_alias};
use qmp::target::uri::programs::names_a_program;
use qmp::target::{Endpoint, Target};

fn check_domain(domain: &Wanted) {
    if let Wanted::Name(name) = domain {
        assert!(!name.is_empty() && !name.contains(&0), "a name that no domain has");
    }
}

fn check(text: &str) {
    let target = match Target::parse(text) {
        Ok(target) => target,
        Err(why) => {
            assert!(matches!(why.code(), Code::InvalidArgument | Code::Unsupported), "{why}");
            assert!(why.to_string().contains(text), "a message that does not name the target: {why}");
            return;
        }
    };
    match &target {
        Target::Socket(Endpoint::Unix(path) | Endpoint::Abstract(path)) => {
            assert!(!path.is_empty() && path.len() <= 107 && !path.contains('\0'), "no address of a socket");
        }
        Target::Socket(Endpoint::Tcp(host, port)) => assert!(!host.is_empty() && *port != 0, "no address"),
        Target::Socket(Endpoint::Fd(fd)) => assert!(*fd >= 0, "no descriptor"),
        Target::Libvirt(uri) => {
            uri.domain.iter().for_each(check_domain);
            assert!(text.starts_with(&*uri.link), "a link that the text does not have");
            names_a_program(&uri.link);
        }
        Target::Configured(alias, domain) => {
            assert!(is_alias(alias), "no alias");
            check_domain(domain);
        }
        Target::Virsh(virsh) => virsh.domain.iter().for_each(check_domain),
    }
    // The same text means the same.
    assert_eq!(Target::parse(text).ok(), Some(target));
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    check(text);
    names_a_program(text);
    let conf = Conf::read(text);
    for (name, uri) in conf.aliases {
        assert!(text.contains(&name) && text.contains(&uri), "an alias from nowhere");
    }
    assert!(conf.default.is_none_or(|uri| text.contains(&uri)), "a default from nowhere");
});
