//! libvirt's client configuration, as far as it says what URIs stand for (libvirt: docs/uri, src/util/virconf.c).

/// What the file says of URIs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf {
    /// Names and the URIs that they stand for.
    pub aliases: Vec<(String, String)>,
    /// The URI that an empty one stands for.
    pub default: Option<String>,
}

impl Conf {
    /// Reads the text of a file. What it does not know, or cannot make sense of, it passes over.
    pub fn read(text: &str) -> Conf {
        let mut conf = Conf::default();
        let mut words = words(text).into_iter().peekable();
        while let Some(word) = words.next() {
            let Word::Bare(key) = word else { continue };
            if words.next_if_eq(&Word::Sign('=')).is_none() {
                continue;
            }
            let mut values = Vec::new();
            if words.next_if_eq(&Word::Sign('[')).is_some() {
                for word in words.by_ref().take_while(|word| *word != Word::Sign(']')) {
                    values.extend(if let Word::Text(text) = word { Some(text) } else { None });
                }
            } else if let Some(Word::Text(text)) = words.next_if(|word| matches!(word, Word::Text(_))) {
                values.push(text);
            }
            match key.as_str() {
                "uri_aliases" => {
                    let pair = |text: String| text.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
                    conf.aliases = values.into_iter().filter_map(pair).collect();
                }
                "uri_default" => conf.default = values.into_iter().next(),
                _ => {}
            }
        }
        conf
    }
}

/// May this be the name of an alias?
pub fn is_alias(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[derive(Debug, PartialEq, Eq)]
enum Word {
    Bare(String),
    Text(String),
    Sign(char),
}

/// Names, quoted texts and signs; comments reach from a # to the end of the line.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' | '\'' => words.push(Word::Text(chars.by_ref().take_while(|other| *other != c).collect())),
            '=' | '[' | ']' | ',' => words.push(Word::Sign(c)),
            c if c.is_whitespace() => {}
            c => {
                let mut bare = String::from(c);
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !"=[],#\"'".contains(*c)) {
                    bare.push(c);
                }
                words.push(Word::Bare(bare));
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_and_the_default_are_read() {
        let text = r#"
# uri_aliases = [ "no=qemu:///x" ]
remote_mode = "auto"
uri_aliases = [
  "hail=qemu+ssh://root@hail/system", # a comment with "quotes"
  'sleet=qemu+tls://sleet/system?a=b',
  "broken",
]
other = 5
uri_default="qemu:///session"
"#;
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let aliases = vec![pair("hail", "qemu+ssh://root@hail/system"), pair("sleet", "qemu+tls://sleet/system?a=b")];
        assert_eq!(Conf::read(text), Conf { aliases, default: Some("qemu:///session".to_owned()) });
        for nonsense in ["", "=", "uri_default", "uri_default = [", "uri_aliases = [ \"a=b", "]]]\"", "uri_default = 5"]
        {
            let conf = Conf::read(nonsense);
            assert!(conf.default.is_none(), "{nonsense}");
        }
        assert!(is_alias("web_1-A") && is_alias("") && !is_alias("a.b") && !is_alias("a:b"));
    }
}
