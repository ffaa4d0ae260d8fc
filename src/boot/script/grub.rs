//! `grub.cfg`: the menu of GRUB 2 (GRUB manual §16, "Writing full configuration files directly").

use super::{Reach, printable};
use crate::boot::Plan;
use crate::content::Protocol;

/// The menu for `plan`.
///
/// Files are named with our address: beside another DHCP server `$net_default_server` and `$root` are that server's.
/// They come by the protocol that the menu came by: Debian's signed network GRUB has no `http`, and under Secure Boot
/// none can be loaded.
pub fn render(plan: &Plan, reach: &Reach) -> String {
    let install = &plan.install;
    let (linux, initrd) = plan.grub_verb.commands();
    let device = device(reach);
    let file = |name: &String| quote(&format!("{device}/{name}"));
    let arguments: Vec<String> = install.arguments.iter().map(|argument| quote(argument)).collect();
    let initrds: Vec<String> = install.initrds.iter().map(file).collect();
    format!(
        "set timeout={}\n\
         set default=install\n\
         \n\
         menuentry {} --id install {{\n\
         \x20 echo 'Loading the kernel and the initial ramdisk ...'\n\
         \x20 {linux} {} {}\n\
         \x20 {initrd} {}\n\
         }}\n\
         \n\
         menuentry 'Boot from the disk' --id local {{\n\
         \x20 exit\n\
         }}\n",
        plan.timeout.as_secs(),
        quote(&printable(&install.title)),
        file(&install.kernel),
        arguments.join(" "),
        initrds.join(" "),
    )
}

/// The device that our files are on. Before 2.12 upstream GRUB knows no port in it; EL's does from 7.9 on.
fn device(reach: &Reach) -> String {
    match (reach.protocol, reach.http_port) {
        (Protocol::Tftp, _) => format!("(tftp,{})", reach.server),
        (Protocol::Http, 80) => format!("(http,{})", reach.server),
        (Protocol::Http, port) => format!("(http,{}:{port})", reach.server),
    }
}

/// One word of GRUB's shell-like language: nothing is read inside single quotes, and `;` and `$` need them.
fn quote(text: &str) -> String {
    format!("'{}'", printable(text).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::plan::tests::site;
    use std::net::Ipv4Addr;

    fn reach(protocol: Protocol, http_port: u16) -> Reach {
        Reach { protocol, server: Ipv4Addr::new(192, 168, 100, 1), http_port }
    }

    #[test]
    fn the_menu_names_its_files_by_the_protocol_it_came_by() {
        let plan = site(80).plan(None);
        assert_eq!(
            render(&plan, &reach(Protocol::Tftp, 80)),
            "set timeout=3\n\
             set default=install\n\
             \n\
             menuentry 'Install Rocky Linux 9.6' --id install {\n  \
             echo 'Loading the kernel and the initial ramdisk ...'\n  \
             linux '(tftp,192.168.100.1)/t/el9/images/pxeboot/vmlinuz' 'inst.repo=http://192.168.100.1/t/el9' \
             'ip=dhcp'\n  \
             initrd '(tftp,192.168.100.1)/t/el9/images/pxeboot/initrd.img'\n\
             }\n\
             \n\
             menuentry 'Boot from the disk' --id local {\n  exit\n}\n"
        );
        assert!(render(&plan, &reach(Protocol::Http, 80)).contains("'(http,192.168.100.1)/t/el9/images"));
        assert!(
            render(&plan, &reach(Protocol::Http, 8080)).contains("'(http,192.168.100.1:8080)/t/el9/images")
        );
    }

    #[test]
    fn nothing_of_the_image_leaves_its_quotes() {
        let mut site = site(80);
        site.title = "a'} ; reboot\n$x".into();
        let menu = render(&site.plan(None), &reach(Protocol::Tftp, 80));
        assert!(menu.contains(r"menuentry 'Install a'\''} ; reboot?$x' --id install {"), "{menu}");
    }
}
