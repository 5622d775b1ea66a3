//! What a libvirt URI of any kind would make libvirt's own client run, for the driver that hands URIs to virsh.

use super::parameters::decode;

/// Would libvirt's client run a program that this URI names, or words of it, here or on another machine?
///
/// Besides the parameters that name programs these are odd paths over ssh: libvirt's client puts them into the text for
/// the other machine's shell.
pub fn names_a_program(uri: &str) -> bool {
    let (scheme, rest) = uri.split_once(':').unwrap_or_default();
    let transport = scheme.split_once('+').map(|(_, transport)| transport.to_ascii_lowercase());
    match transport.as_deref() {
        Some("ext") => true,
        Some("ssh" | "libssh" | "libssh2") => {
            let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
            !is_plain(place) || query.split(['&', ';']).any(is_dangerous)
        }
        _ => false,
    }
}

fn is_dangerous(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    match decode(name).map(|name| name.to_ascii_lowercase()).as_deref() {
        Ok(b"command" | b"netcat") => true,
        Ok(b"socket" | b"name") => !is_plain(value),
        Ok(_) => false,
        Err(_) => true,
    }
}

/// Nothing that means something to a shell, also once it is decoded.
fn is_plain(text: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./:@%+=,-~[]?".contains(byte);
    decode(text).is_ok_and(|text| text.iter().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_programs_is_known() {
        let harmless = [
            "",
            "alias",
            "qemu:///system",
            "qemu:///system?command=x",
            "qemu+tls://h/system?netcat=x",
            "qemu+ssh://u@h:22/system",
            "qemu+ssh://[::1]/system?keyfile=/a%20b&no_verify=1&proxy=netcat",
            "qemu+ssh://h/session?socket=/run/user/1000/libvirt/libvirt-sock",
            "test:///default",
        ];
        let running = [
            "qemu+ext:///system?command=/tmp/x",
            "qemu+EXT:/system?command=/tmp/x",
            "xen+ext:///system",
            "qemu+ssh://h/system?command=/tmp/x",
            "qemu+ssh://h/system?a=b;Command=/tmp/x",
            "qemu+ssh://h/system?%63ommand=/tmp/x",
            "qemu+ssh:/system?command=/tmp/x",
            "qemu+ssh://h/system?netcat=/tmp/x",
            "qemu+libssh2://h/system?netcat=/tmp/x",
            "qemu+ssh://h/system?socket=/a'b",
            "qemu+ssh://h/system?socket=/a%27;id",
            "qemu+ssh://h/system?name=$(id)",
            "qemu+ssh://h/system;id",
            "qemu+ssh://h/%60id%60",
            "qemu+ssh://h;id/system",
            "qemu+ssh://h/system?%zz=1",
        ];
        for uri in harmless {
            assert!(!names_a_program(uri), "{uri}");
        }
        for uri in running {
            assert!(names_a_program(uri), "{uri}");
        }
    }
}
