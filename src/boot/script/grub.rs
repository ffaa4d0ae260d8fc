//! `grub.cfg`: the menu of GRUB 2 (GRUB manual §16, "Writing full configuration files directly").

use super::{Reach, printable};
use crate::boot::plan::{Action, Entry, Linux, NEEDS_BIOS, Plan};
use crate::boot::site::{RunsOn, Wait};
use crate::content::Protocol;

/// Where a choice is noted that the machine has to start again for: `<PICK><label>/grub.cfg`.
pub const PICK: &str = "pick/";

/// Starts what is installed: the loader on a disk's EFI system partition. Giving control back to the firmware is what is
/// left: EDK2 then shows its set-up menu unless an error comes back with it (UEFI §3.1.1), and GRUB before Red Hat's
/// returns none; others start from the network again. shim of any vendor comes first, Windows, then what has no shim, and
/// last the default path, where install sticks have theirs. A pattern that fits nothing stays as it is.
const LOCAL_UEFI: &str = "\
\x20 set suffix=x64
\x20 set default_name=BOOTX64.EFI
\x20 if [ \"$grub_cpu\" = arm64 ]; then set suffix=aa64; set default_name=BOOTAA64.EFI; fi
\x20 if [ \"$grub_cpu\" = i386 ]; then set suffix=ia32; set default_name=BOOTIA32.EFI; fi
\x20 for file in (hd*,*)/EFI/*/shim$suffix.efi (hd*,*)/EFI/Microsoft/Boot/bootmgfw.efi \\
\x20     (hd*,*)/EFI/*/grub$suffix.efi (hd*,*)/EFI/*/grub.efi (hd*,*)/EFI/systemd/systemd-boot$suffix.efi \\
\x20     (hd*,*)/EFI/BOOT/$default_name; do
\x20   if [ -f \"$file\" ]; then
\x20     echo \"Starting $file ...\"
\x20     if chainloader \"$file\"; then boot; fi
\x20   fi
\x20 done
\x20 exit 1
";

/// The menu for `plan`.
///
/// Files are named with our address: beside another DHCP server `$net_default_server` and `$root` are that server's.
/// They come by the protocol that the menu came by: Debian's signed network GRUB has no `http`, and under Secure Boot
/// none can be loaded.
pub fn render(plan: &Plan, reach: &Reach) -> String {
    let plan = &plan.for_all_but(RunsOn::BiosOnly);
    let timeout = match plan.wait {
        Wait::Not => "0".to_owned(),
        Wait::For(time) => time.as_secs().max(1).to_string(),
        Wait::Forever => "-1".to_owned(),
    };
    let mut menu = format!("set timeout={timeout}\nset default={}\n", plan.default_entry().label);
    if let Some(message) = &plan.message {
        menu.push_str(&format!("\nmenuentry {} --id reason {{\n  true\n}}\n", quote(message)));
    }
    for (index, entry) in plan.entries.iter().enumerate().filter(|(_, entry)| is_for_uefi(entry)) {
        let body = match &entry.action {
            Action::Local => LOCAL_UEFI.to_owned(),
            Action::Linux(linux) => kernel(linux, entry, plan, reach),
        };
        let key = plan.key(index).map_or_else(String::new, |key| format!(" --hotkey={key}"));
        let title = quote(&plan.title_with_key(index));
        menu.push_str(&format!("\nmenuentry {title} --id {}{key} {{\n{body}}}\n", entry.label));
    }
    menu
}

/// The answer to a choice that was noted: the machine starts again, and is then offered that image's own loader.
pub fn start_again(label: &str) -> String {
    format!(
        "echo {}\necho 'It starts again with the loader of that image, from the network, and goes on by itself.'\n\
         sleep 3\nreboot\n",
        quote(&format!(
            "This machine was refused the kernel of {label}: Secure Boot wants another loader for it."
        ))
    )
}

fn is_for_uefi(entry: &Entry) -> bool {
    entry.action.runs_on() != RunsOn::BiosOnly
}

fn kernel(linux: &Linux, entry: &Entry, plan: &Plan, reach: &Reach) -> String {
    let (load, load_initrd) = plan.grub_verb.commands();
    let device = device(reach);
    let file = |name: &String| quote(&format!("{device}/{name}"));
    let mut words = vec![load.to_owned(), file(&linux.kernel)];
    words.extend(linux.arguments.iter().map(|argument| quote(argument)));
    let load = words.join(" ");
    let initrds: Vec<String> = linux.initrds.iter().map(file).collect();
    let initrd =
        if initrds.is_empty() { String::new() } else { format!("{load_initrd} {}", initrds.join(" ")) };
    let mut body = String::new();
    if let Some(note) = &entry.note {
        body.push_str(&format!("  echo {}\n", quote(note)));
    }
    body.push_str("  echo 'Loading the kernel and the initial ramdisk ...'\n");
    let then = |initrd: &str, indent: &str| {
        if initrd.is_empty() { String::new() } else { format!("{indent}{initrd}\n") }
    };
    let otherwise = if linux.has_own_loader {
        format!("    configfile {}\n", quote(&format!("{device}/{PICK}{}/grub.cfg", entry.label)))
    } else if linux.runs_on == RunsOn::BiosOrGrub {
        // Upstream's GRUB and Debian's start it, Red Hat's does not (`grub-core/loader/i386/efi/linux.c` of rhboot).
        let said = format!("This kernel does not start here: {}", NEEDS_BIOS.concat());
        format!("    echo {}\n    sleep 15\n", quote(&said))
    } else {
        String::new()
    };
    if otherwise.is_empty() {
        body.push_str(&format!("  {load}\n{}", then(&initrd, "  ")));
    } else {
        let then = if initrd.is_empty() { "    true\n".to_owned() } else { then(&initrd, "    ") };
        body.push_str(&format!("  if {load}; then\n{then}  else\n{otherwise}  fi\n"));
    }
    body
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
    use crate::boot::plan::Asker;
    use crate::boot::plan::tests::{kickstarts, plan_for, site, site_of_two};
    use crate::machine::{Assignment, Boot, ImageId};
    use crate::wire::MacAddr;
    use std::net::Ipv4Addr;

    fn reach(protocol: Protocol, http_port: u16) -> Reach {
        Reach { protocol, server: Ipv4Addr::new(192, 168, 100, 1), http_port }
    }

    #[test]
    fn the_menu_names_its_files_by_the_protocol_it_came_by() {
        let mut site = site(80);
        site.images[0].entries.truncate(1);
        let plan = site.plan(None);
        let menu = render(&plan, &reach(Protocol::Tftp, 80));
        assert!(
            menu.starts_with(
                "set timeout=3\n\
                 set default=linux\n\
                 \n\
                 menuentry 'Install Rocky Linux 9.6' --id linux {\n  \
                 echo 'Loading the kernel and the initial ramdisk ...'\n  \
                 linux '(tftp,192.168.100.1)/t/el9/images/pxeboot/vmlinuz' 'inst.repo=http://192.168.100.1/t/el9' \
                 'ip=dhcp'\n  \
                 initrd '(tftp,192.168.100.1)/t/el9/images/pxeboot/initrd.img'\n\
                 }\n\
                 \n\
                 menuentry 'Boot from the disk' --id local {\n  set suffix=x64\n"
            ),
            "{menu}"
        );
        assert!(menu.ends_with("  exit 1\n}\n"), "{menu}");
        assert!(render(&plan, &reach(Protocol::Http, 80)).contains("'(http,192.168.100.1)/t/el9/images"));
        assert!(
            render(&plan, &reach(Protocol::Http, 8080)).contains("'(http,192.168.100.1:8080)/t/el9/images")
        );
    }

    #[test]
    fn a_refused_kernel_of_another_image_leads_to_its_own_loader() {
        let (loader, assignment) = (ImageId::new("el7"), Assignment::default());
        let mac = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
        let site = site_of_two();
        let kickstarts = kickstarts(&site, false);
        let asker = Asker {
            mac,
            token: "abc",
            kickstarts: &kickstarts,
            assignment: &assignment,
            loader: Some(&loader),
            pick: None,
        };
        let menu = render(&site.plan(Some(asker)), &reach(Protocol::Tftp, 80));
        // EL7's GRUB is the one that runs: its commands, for the kernel of EL9 too.
        assert!(
            menu.contains("  if linuxefi '(tftp,192.168.100.1)/t/el9/images/pxeboot/vmlinuz' "),
            "{menu}"
        );
        assert!(
            menu.contains(
                "; then\n    initrdefi '(tftp,192.168.100.1)/t/el9/images/pxeboot/initrd.img'\n  else\n    \
                 configfile '(tftp,192.168.100.1)/pick/el9-text/grub.cfg'\n  fi\n"
            ),
            "{menu}"
        );
        assert!(menu.contains("\n  linuxefi '(tftp,192.168.100.1)/t/el7/images/pxeboot/vmlinuz' "), "{menu}");
        assert_eq!(menu.matches("configfile").count(), 3, "{menu}");
    }

    /// GRUB starts its first entry where its default is not in the menu.
    #[test]
    fn what_runs_with_a_bios_only_is_not_in_the_menu_and_never_starts_another() {
        let mut site = site(80);
        site.images[0].runs_on =
            vec![("linux".into(), RunsOn::BiosOnly), ("text".into(), RunsOn::BiosOrGrub)];
        let menu = render(&plan_for(&site, &Assignment::default()), &reach(Protocol::Tftp, 80));
        let start = "set timeout=60\nset default=local\n\n\
                     menuentry 'Install Rocky Linux 9.6: it needs a BIOS, and this machine started by UEFI. ";
        assert!(menu.starts_with(start), "{menu}");
        assert!(!menu.contains("--id ks") && !menu.contains("--id linux"), "{menu}");
        assert!(menu.contains("  if linux '(tftp,192.168.100.1)/t/el9/images/pxeboot/vmlinuz' "), "{menu}");
        assert!(
            menu.contains("  else\n    echo 'This kernel does not start here: it needs a BIOS, "),
            "{menu}"
        );
    }

    #[test]
    fn a_held_machine_waits_with_the_reason_above() {
        let assignment = Assignment { image: None, boot: Boot::Held { reason: "it's 'no' disk\n}".into() } };
        let menu = render(&plan_for(&site(80), &assignment), &reach(Protocol::Tftp, 80));
        let start = "set timeout=-1\nset default=local\n\nmenuentry 'it'\\''s '\\''no'\\'' disk?}' --id reason {\n  true\n}\n";
        assert!(menu.starts_with(start), "{menu}");
    }

    #[test]
    fn nothing_of_the_image_leaves_its_quotes() {
        let mut site = site(80);
        let entry = &mut site.images[0].entries[0];
        (entry.title, entry.note) = ("a'} ; reboot\n$x".into(), Some("b'; reboot #".into()));
        entry.kernel = "c' ; reboot".into();
        let menu = render(&site.plan(None), &reach(Protocol::Tftp, 80));
        assert!(menu.contains(r"menuentry 'a'\''} ; reboot?$x' --id linux {"), "{menu}");
        assert!(menu.contains(r"  echo 'b'\''; reboot #'"), "{menu}");
        assert!(menu.contains(r"  linux '(tftp,192.168.100.1)/t/el9/c'\'' ; reboot' "), "{menu}");
    }
}
