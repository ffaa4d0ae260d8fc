//! `pxelinux.cfg/…`: the menu of PXELINUX (syslinux `doc/syslinux.txt`, `doc/pxelinux.txt`).

use super::printable;
use crate::boot::Plan;

/// The menu for `plan`, as 3.11 (EL5) to 6.04 read it.
///
/// Names begin with `::`, which stands for the server's root whatever directory PXELINUX was loaded from
/// (`doc/pxelinux.txt`). It has no quoting: blanks end a name, so a name with one is spelt with `?` for each, which
/// finds nothing; no family has such names.
pub fn render(plan: &Plan) -> String {
    let install = &plan.install;
    let title = printable(&install.title);
    let initrds: Vec<String> = install.initrds.iter().map(|name| format!("::{}", word(name))).collect();
    let arguments: Vec<String> = install.arguments.iter().map(|argument| word(argument)).collect();
    // TIMEOUT counts tenths of a second.
    let timeout = plan.timeout.as_millis() / 100;
    format!(
        "DEFAULT install\n\
         PROMPT 1\n\
         TIMEOUT {timeout}\n\
         SAY {title}\n\
         SAY starts by itself; type local and press Enter to boot from the disk instead.\n\
         \n\
         LABEL install\n\
         \x20 MENU LABEL {title}\n\
         \x20 KERNEL ::{}\n\
         \x20 APPEND initrd={} {}\n\
         \n\
         LABEL local\n\
         \x20 MENU LABEL Boot from the disk\n\
         \x20 LOCALBOOT 0\n",
        word(&install.kernel),
        initrds.join(","),
        arguments.join(" "),
    )
}

fn word(text: &str) -> String {
    printable(text).replace(' ', "?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::plan::Asker;
    use crate::boot::plan::tests::{KICKSTART, site};
    use crate::machine::Assignment;
    use crate::wire::MacAddr;

    #[test]
    fn the_menu_installs_by_itself_and_can_be_stopped() {
        let assignment = Assignment::default();
        let asker = Asker {
            mac: MacAddr([0x52, 0x54, 0, 0, 0, 1]),
            token: "abc",
            kickstart: KICKSTART,
            assignment: &assignment,
        };
        let plan = site(80).plan(Some(asker));
        assert_eq!(
            render(&plan),
            "DEFAULT install\n\
             PROMPT 1\n\
             TIMEOUT 30\n\
             SAY Install Rocky Linux 9.6\n\
             SAY starts by itself; type local and press Enter to boot from the disk instead.\n\
             \n\
             LABEL install\n  MENU LABEL Install Rocky Linux 9.6\n  KERNEL ::t/el9/images/pxeboot/vmlinuz\n  \
             APPEND initrd=::t/el9/images/pxeboot/initrd.img inst.ks=http://192.168.100.1/ks/abc/ks.cfg \
             inst.repo=http://192.168.100.1/t/el9 ip=dhcp BOOTIF=01-52-54-00-00-00-01 inst.ks.sendmac\n\
             \n\
             LABEL local\n  MENU LABEL Boot from the disk\n  LOCALBOOT 0\n"
        );
    }

    #[test]
    fn a_hostile_title_adds_no_line() {
        let mut site = site(80);
        site.title = "x\nAPPEND evil".into();
        site.kernel = "a b\nKERNEL evil".into();
        let menu = render(&site.plan(None));
        assert_eq!(menu.lines().filter(|line| line.trim_start().starts_with("APPEND ")).count(), 1);
        assert_eq!(menu.lines().filter(|line| line.trim_start().starts_with("KERNEL ")).count(), 1);
    }
}
