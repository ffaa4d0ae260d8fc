//! What the kernel is told: a template of the image's family, filled in for one machine.
//!
//! A template is words. A word whose variable has no value is dropped, so one template serves the machine with an answer
//! file and the one without:
//!
//! | in a word | stands for |
//! |---|---|
//! | `{tree}` | URL of the image's files, without a trailing slash: EL9 cuts one, older ones ask for `//.treeinfo` |
//! | `{repo}` | the same, where packages come from it |
//! | `{mirror}` | URL of packages elsewhere |
//! | `{mirror_host}`, `{mirror_path}` | the parts of that, where it is one by plain HTTP: address with port, and path |
//! | `{iso}` | URL of the whole image, ends in `.iso` |
//! | `{answer}` | URL of this machine's answer file |
//! | `{seed}` | URL of the directory of answer files, with a trailing slash |
//! | `{mac}`, `{bootif}` | the card it booted from: `52:54:00:…`, and `01-52-54-00-…` as PXELINUX writes it |
//! | `{srv}` | our address |
//! | `{host}`, `{path}` | the parts of `{tree}`: address with port, and path with its first slash |
//! | `{arch}` | the image's architecture, such as `x86_64` |
//! | `{disk}` | the disk to install to |
//! | `{?name}`, `{!name}` | nothing; the word stays if the variable has a value, or has none |
//! | `{{`, `}}` | a brace |
//!
//! Blanks between double quotes do not end a word, and the quotes go: loaders quote each in their own way.

use std::net::Ipv4Addr;

use crate::wire::MacAddr;

/// What the variables of a template stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// URL of the image's files, without a trailing slash.
    pub tree: &'a str,
    /// Whether packages are installed from it. Not when the image has none, and not when the answer file names its own
    /// source: a source among the arguments would override that one (anaconda `docs/boot-options.rst`).
    pub has_packages: bool,
    /// URL of packages elsewhere.
    pub mirror: Option<&'a str>,
    /// URL of the whole image.
    pub iso: Option<&'a str>,
    /// URL of the answer file; without one the installer asks.
    pub answer: Option<&'a str>,
    /// The port the machine booted from; with several ports the installer would otherwise try them all, and EL6 would
    /// ask.
    pub mac: Option<MacAddr>,
    /// Our address.
    pub server: Ipv4Addr,
    /// The image's architecture.
    pub arch: &'a str,
    /// The disk to install to.
    pub disk: Option<&'a str>,
}

/// The names of all variables.
pub const VARIABLES: [&str; 15] = [
    "tree",
    "repo",
    "mirror",
    "mirror_host",
    "mirror_path",
    "iso",
    "answer",
    "seed",
    "mac",
    "bootif",
    "srv",
    "host",
    "path",
    "arch",
    "disk",
];

impl Values<'_> {
    /// The value of a variable; `None` when it has none, or there is no such variable.
    fn get(&self, name: &str) -> Option<String> {
        let own = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        match name {
            "tree" => own(Some(self.tree)),
            "repo" => own(self.has_packages.then_some(self.tree)),
            "mirror" => own(self.mirror),
            "mirror_host" => self.plain_mirror().map(|(host, _)| host.to_owned()),
            "mirror_path" => self.plain_mirror().map(|(_, path)| format!("/{path}")),
            "iso" => own(self.iso),
            "answer" => own(self.answer),
            "seed" => self.answer.and_then(|url| url.rsplit_once('/')).map(|(seed, _)| format!("{seed}/")),
            "mac" => self.mac.map(|mac| mac.to_string()),
            "bootif" => self.mac.map(|mac| format!("01-{}", mac.hyphenated())),
            "srv" => Some(self.server.to_string()),
            "host" => own(self.tree.split('/').nth(2)),
            "path" => self.tree.splitn(4, '/').nth(3).map(|path| format!("/{path}")),
            "arch" => own(Some(self.arch)),
            "disk" => own(self.disk),
            _ => None,
        }
    }
}

impl<'a> Values<'a> {
    /// Host and path of a mirror by plain HTTP, the path without its first slash.
    fn plain_mirror(&self) -> Option<(&'a str, &'a str)> {
        let rest = self.mirror?.strip_prefix("http://")?;
        Some(rest.split_once('/').unwrap_or((rest, "")))
    }
}

/// The arguments in order. One may hold blanks; none has control characters or double quotes.
pub fn expand(template: &str, values: &Values<'_>) -> Vec<String> {
    words(template).iter().filter_map(|word| fill(word, values)).collect()
}

/// An argument as the kernel reads it (Linux `lib/cmdline.c`, `next_arg`): with blanks it needs quotes, which begin at
/// the value, where the programs of an initial ramdisk look for them.
pub fn quoted(argument: &str) -> String {
    if !argument.contains(char::is_whitespace) {
        return argument.to_owned();
    }
    match argument.split_once('=') {
        Some((name, value)) if !name.contains(char::is_whitespace) => format!("{name}=\"{value}\""),
        _ => format!("\"{argument}\""),
    }
}

/// The words of a template, without their quotes.
fn words(template: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut is_quoted) = (String::new(), false);
    for letter in template.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            letter if letter.is_whitespace() && !is_quoted => words.push(std::mem::take(&mut word)),
            letter if letter.is_control() => word.push('?'),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// A word with its variables filled in; `None` when it is to be dropped. One that is no template is dropped as well.
fn fill(word: &str, values: &Values<'_>) -> Option<String> {
    let mut text = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        text.push_str(before);
        if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
            text.push_str(&brace[..1]);
            rest = after;
            continue;
        }
        let (name, after) = brace.strip_prefix('{')?.split_once('}')?;
        if let Some(name) = name.strip_prefix('?') {
            values.get(name)?;
        } else if let Some(name) = name.strip_prefix('!') {
            if !VARIABLES.contains(&name) || values.get(name).is_some() {
                return None;
            }
        } else {
            // A value is one word, whatever it is made of.
            text.extend(values.get(name)?.chars().filter(|it| !it.is_control() && !matches!(it, ' ' | '"')));
        }
        rest = after;
    }
    text.push_str(rest);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::entry::literal;
    use crate::media::family::FAMILIES;

    const TREE: &str = "http://192.168.100.1:8080/t/x";
    const KS: &str = "http://192.168.100.1:8080/ks/0/ks.cfg";
    const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

    fn values<'a>(answer: Option<&'a str>, has_packages: bool, mac: Option<MacAddr>) -> Values<'a> {
        Values {
            tree: TREE,
            has_packages,
            mirror: None,
            iso: None,
            answer,
            mac,
            server: Ipv4Addr::new(192, 168, 100, 1),
            arch: "x86_64",
            disk: None,
        }
    }

    fn family(id: &str) -> &'static str {
        FAMILIES.iter().find(|family| family.id == id).expect("a family").arguments
    }

    #[test]
    fn each_release_is_told_in_its_own_words() {
        let cases = [
            (
                "el5",
                values(Some(KS), true, Some(MAC)),
                "ks=http://192.168.100.1:8080/ks/0/ks.cfg method=http://192.168.100.1:8080/t/x ip=dhcp \
                 ksdevice=bootif BOOTIF=01-52-54-00-00-00-01 lang=en_US keymap=us kssendmac",
            ),
            (
                "el6",
                values(Some(KS), false, None),
                "ks=http://192.168.100.1:8080/ks/0/ks.cfg \
                 stage2=http://192.168.100.1:8080/t/x/images/install.img ip=dhcp ksdevice=link lang=en_US \
                 keymap=us kssendmac",
            ),
            (
                "el7",
                values(None, true, Some(MAC)),
                "inst.repo=http://192.168.100.1:8080/t/x ip=dhcp BOOTIF=01-52-54-00-00-00-01",
            ),
            (
                "el8plus",
                values(Some(KS), false, Some(MAC)),
                "inst.ks=http://192.168.100.1:8080/ks/0/ks.cfg inst.stage2=http://192.168.100.1:8080/t/x ip=dhcp \
                 BOOTIF=01-52-54-00-00-00-01 inst.ks.sendmac",
            ),
            (
                "el8plus-netinst",
                Values { mirror: Some("http://m/9"), ..values(None, false, None) },
                "inst.stage2=http://192.168.100.1:8080/t/x inst.repo=http://m/9 ip=dhcp",
            ),
            (
                "debian-mini",
                Values { mirror: Some("http://m:81/debian"), ..values(None, false, None) },
                "mirror/country=manual mirror/http/hostname=m:81 mirror/http/directory=/debian mirror/http/proxy= ---",
            ),
            ("debian-mini", Values { mirror: Some("https://m/debian"), ..values(None, false, None) }, "---"),
        ];
        for (id, values, expected) in cases {
            assert_eq!(expand(family(id), &values).join(" "), expected, "{id}");
        }
    }

    #[test]
    fn every_word_of_every_family_is_understood() {
        let all = Values {
            mirror: Some("http://m"),
            iso: Some("i.iso"),
            disk: Some("d"),
            ..values(Some(KS), true, Some(MAC))
        };
        let none = Values { tree: "", has_packages: false, arch: "", ..values(None, false, None) };
        for family in FAMILIES {
            for template in [family.arguments, family.text, family.rescue] {
                let template = template.replace("{stage2}", "root");
                for word in words(&template) {
                    let is_negative = word.starts_with("{!");
                    let values = if is_negative { &none } else { &all };
                    // What a negative word goes on with may have no value then.
                    let tail = word.split_once('}').map_or("", |(_, tail)| tail);
                    let word = if is_negative && tail.contains('{') { tail } else { &word };
                    let values = if is_negative && tail.contains('{') { &all } else { values };
                    assert!(fill(word, values).is_some(), "{}: {word}", family.id);
                }
            }
        }
    }

    #[test]
    fn variables_and_conditions() {
        let cases = [
            ("a={srv} b={host} c={path} d={arch}", "a=192.168.100.1 b=192.168.100.1:8080 c=/t/x d=x86_64"),
            (
                "ds=nocloud;s={seed} m={mac}",
                "ds=nocloud;s=http://192.168.100.1:8080/ks/0/ m=52:54:00:00:00:01",
            ),
            ("{?answer}{?mac}both {!disk}none {!answer}a", "both none"),
            ("{disk} {iso} x={nothing} {!nothing}y {tree y}z } {", ""),
            ("{{a}}={{tree}}", "{a}={tree}"),
            ("a \"b=c d\" \"\" e\t\u{7}", "a|b=c d|e|?"),
        ];
        for (template, expected) in cases {
            let words = expand(template, &values(Some(KS), true, Some(MAC)));
            let separator = if expected.contains('|') { "|" } else { " " };
            assert_eq!(words.join(separator), expected, "{template}");
        }
    }

    #[test]
    fn a_literal_expands_to_itself_and_is_one_word() {
        for text in ["quiet", "{tree}", "}{", "a b=c", "root=live:CDLABEL=x\\x20y", "{{?mac}}"] {
            assert_eq!(expand(&literal(text), &values(None, true, None)), [text], "{text}");
        }
        assert_eq!(expand(&literal("a\"b\n"), &values(None, true, None)), ["ab?"]);
    }

    #[test]
    fn a_value_adds_no_word() {
        let values = Values { mirror: Some("http://m/ init=/bin/sh\n\""), ..values(None, false, None) };
        assert_eq!(expand("inst.repo={mirror}", &values), ["inst.repo=http://m/init=/bin/sh"]);
    }

    #[test]
    fn blanks_are_quoted_as_the_kernel_wants() {
        for (argument, expected) in [("a=b", "a=b"), ("a=b c", "a=\"b c\""), ("a b=c", "\"a b=c\"")] {
            assert_eq!(quoted(argument), expected);
        }
    }
}
