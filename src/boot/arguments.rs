//! What the installer's kernel is told, by release.
//!
//! Source: anaconda's `dracut/` and `loader/` of each branch, as tabled in the field guide (distros §3.2).

use crate::media::Arguments as Style;
use crate::wire::MacAddr;

/// What the arguments are made of.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    /// How the release spells them.
    pub style: Style,
    /// URL of the install tree, without a trailing slash: EL9 cuts one, older ones ask for `//.treeinfo`.
    pub tree: &'a str,
    /// URL of the kickstart; without one the installer asks.
    pub kickstart: Option<&'a str>,
    /// Whether the packages come from elsewhere: the image has none, or the kickstart names its own source. A source
    /// among the arguments would override that of the kickstart (anaconda `docs/boot-options.rst`), so then only the
    /// installer itself is taken from our tree.
    pub installer_only: bool,
    /// The port the machine booted from; with several ports the installer would otherwise try them all, and EL6 would
    /// ask.
    pub mac: Option<MacAddr>,
    /// Whether the installer says the machine's serial number when it fetches its kickstart. EL5 cannot.
    pub sends_serial: bool,
}

impl Arguments<'_> {
    /// The arguments in order. None has white space, quotes or a character that a menu language reads.
    pub fn to_vec(self) -> Vec<String> {
        match self.style {
            Style::El5 | Style::El6 => self.loader_arguments(),
            Style::El7 | Style::El8Plus => self.dracut_arguments(),
        }
    }

    /// For the C loader of EL5 and EL6.
    fn loader_arguments(self) -> Vec<String> {
        let tree = self.tree;
        let mut arguments = Vec::new();
        if let Some(kickstart) = self.kickstart {
            arguments.push(format!("ks={kickstart}"));
        }
        arguments.push(match (self.style, self.installer_only) {
            (Style::El5, false) => format!("method={tree}"),
            (Style::El5, true) => format!("stage2={tree}/images/stage2.img"),
            (_, false) => format!("repo={tree}"),
            (_, true) => format!("stage2={tree}/images/install.img"),
        });
        arguments.push("ip=dhcp".into());
        match self.mac {
            Some(mac) => arguments.extend(["ksdevice=bootif".into(), bootif(mac)]),
            None => arguments.push("ksdevice=link".into()),
        }
        if self.kickstart.is_some() {
            // Asked before the kickstart is fetched; the kickstart's own choice replaces them.
            arguments.extend(["lang=en_US".into(), "keymap=us".into()]);
        }
        if self.style == Style::El6 {
            arguments.push("kssendmac".into());
            if self.sends_serial {
                arguments.push("kssendsn".into());
            }
        }
        arguments
    }

    /// For dracut, from EL7 on.
    fn dracut_arguments(self) -> Vec<String> {
        let tree = self.tree;
        let mut arguments = Vec::new();
        if let Some(kickstart) = self.kickstart {
            arguments.push(format!("inst.ks={kickstart}"));
        }
        arguments.push(if self.installer_only {
            format!("inst.stage2={tree}")
        } else {
            format!("inst.repo={tree}")
        });
        arguments.push("ip=dhcp".into());
        arguments.extend(self.mac.map(bootif));
        if self.kickstart.is_some() {
            arguments.push("inst.ks.sendmac".into());
            if self.sends_serial {
                arguments.push("inst.ks.sendsn".into());
            }
        }
        arguments
    }
}

fn bootif(mac: MacAddr) -> String {
    format!("BOOTIF=01-{}", mac.hyphenated())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "http://192.168.100.1/t/x";
    const KS: &str = "http://192.168.100.1/ks/0/ks.cfg";
    const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

    #[test]
    fn each_release_is_told_in_its_own_words() {
        let cases = [
            (
                "EL5 unattended",
                (Style::El5, Some(KS), false, Some(MAC)),
                "ks=http://192.168.100.1/ks/0/ks.cfg method=http://192.168.100.1/t/x ip=dhcp ksdevice=bootif \
                 BOOTIF=01-52-54-00-00-00-01 lang=en_US keymap=us",
            ),
            (
                "EL6, source in the kickstart, port not known",
                (Style::El6, Some(KS), true, None),
                "ks=http://192.168.100.1/ks/0/ks.cfg stage2=http://192.168.100.1/t/x/images/install.img ip=dhcp \
                 ksdevice=link lang=en_US keymap=us kssendmac",
            ),
            (
                "EL7 asks",
                (Style::El7, None, false, Some(MAC)),
                "inst.repo=http://192.168.100.1/t/x ip=dhcp BOOTIF=01-52-54-00-00-00-01",
            ),
            (
                "EL9, source in the kickstart",
                (Style::El8Plus, Some(KS), true, Some(MAC)),
                "inst.ks=http://192.168.100.1/ks/0/ks.cfg inst.stage2=http://192.168.100.1/t/x ip=dhcp \
                 BOOTIF=01-52-54-00-00-00-01 inst.ks.sendmac",
            ),
        ];
        for (name, (style, kickstart, installer_only, mac), expected) in cases {
            let arguments =
                Arguments { style, tree: TREE, kickstart, installer_only, mac, sends_serial: false }.to_vec();
            assert_eq!(arguments.join(" "), expected, "{name}");
        }
    }
}
