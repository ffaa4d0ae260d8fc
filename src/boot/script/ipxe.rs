//! `boot.ipxe`: the plan as an iPXE script (ipxe.org/scripting, `src/hci/commands/`).

use super::{Reach, printable};
use crate::boot::Plan;
use crate::boot::arguments::quoted;
use crate::boot::plan::{Action, Entry, LOCAL, Linux, NEEDS_BIOS, NEEDS_UEFI};
use crate::boot::site::{RunsOn, Wait};
use crate::content::Protocol;

/// Boots the disk: by INT 13 on BIOS, by giving control back with an error on UEFI, where success would mean that there
/// is nothing left to try (UEFI §3.1.1).
const DISK: &str = "iseq ${platform} pcbios && sanboot --no-describe --drive 0x80 ||\nexit 1\n";

/// The script for `plan`.
///
/// A failed download is tried again: the switch may still be learning, or somebody pulled a cable. `initrd=` is what an
/// EFI kernel looks for; BIOS ones ignore it. Where nobody is to choose there is no menu: some ROMs are built without.
pub fn render(plan: &Plan, reach: &Reach) -> String {
    let default = plan.default_entry();
    let mut script = "#!ipxe\n".to_owned();
    if let Some(message) = &plan.message {
        script.push_str(&format!("echo {}\n", text(message)));
    }
    match (plan.is_choice, plan.wait) {
        (true, _) => script.push_str(&menu(plan)),
        (false, Wait::Not) => script.push_str(&format!("goto boot-{}\n", default.label)),
        (false, wait) => script.push_str(&prompt(plan, wait)),
    }
    for entry in &plan.entries {
        let body = match &entry.action {
            Action::Local => DISK.to_owned(),
            Action::Linux(linux) => kernel(linux, entry, reach),
        };
        let turned_away = unfit(entry).map_or_else(String::new, |unfit| {
            format!("iseq ${{platform}} {} && goto {} ||\n", unfit.platform, unfit.label)
        });
        script.push_str(&format!(":boot-{}\n{turned_away}{body}", entry.label));
    }
    let has_menu = plan.is_choice || plan.wait != Wait::Not;
    for which in [&UEFI, &BIOS] {
        if plan.entries.iter().filter_map(unfit).any(|it| it.label == which.label) {
            script.push_str(&explanation(which, has_menu));
        }
    }
    script
}

/// Firmware that cannot start an entry.
struct Unfit {
    /// What iPXE calls it.
    platform: &'static str,
    /// Where the script says why.
    label: &'static str,
    /// Why, and what to do.
    needs: [&'static str; 2],
}

const UEFI: Unfit = Unfit { platform: "efi", label: "needs-bios", needs: NEEDS_BIOS };
const BIOS: Unfit = Unfit { platform: "pcbios", label: "needs-uefi", needs: NEEDS_UEFI };

/// The firmware on which iPXE cannot start an entry.
fn unfit(entry: &Entry) -> Option<&'static Unfit> {
    match entry.action.runs_on() {
        RunsOn::Any => None,
        RunsOn::BiosOnly | RunsOn::BiosOrGrub => Some(&UEFI),
        RunsOn::UefiOnly => Some(&BIOS),
    }
}

/// Why an entry is not started, for as long as it takes to read that.
fn explanation(unfit: &Unfit, has_menu: bool) -> String {
    let Unfit { label, needs: [why, remedy], .. } = unfit;
    let wait = if has_menu {
        "prompt --key 0x6d --timeout 60000 Press m for the menu; in a minute its disk boots && goto menu || "
            .to_owned()
    } else {
        "sleep 60\n".to_owned()
    };
    format!(":{label}\necho This does not start here: {why}\necho {remedy}\n{wait}goto boot-{LOCAL}\n")
}

/// One key for the disk, where the rest is decided.
fn prompt(plan: &Plan, wait: Wait) -> String {
    let default = plan.default_entry();
    let timeout = match wait {
        Wait::For(time) => time.as_millis().max(1).to_string(),
        Wait::Not | Wait::Forever => "0".to_owned(),
    };
    // A menu for who wants something else again; where there is none the default goes on.
    format!(
        "echo {}\n\
         prompt --key 0x6d --timeout {timeout} Press m for the menu && goto menu ||\n\
         goto boot-{}\n\
         {}",
        text(&default.title),
        default.label,
        menu(&Plan { wait: Wait::Forever, is_choice: true, ..plan.clone() }),
    )
}

fn menu(plan: &Plan) -> String {
    let default = &plan.default_entry().label;
    let timeout = match plan.wait {
        Wait::For(time) => format!(" --timeout {}", time.as_millis().max(1)),
        Wait::Not => " --timeout 1".to_owned(),
        Wait::Forever => String::new(),
    };
    let mut menu = format!(":menu\nmenu {} || goto boot-{default}\n", text(&plan.title));
    if let Some(message) = &plan.message {
        menu.push_str(&format!("item --gap -- {}\n", text(message)));
    }
    for (index, entry) in plan.entries.iter().enumerate() {
        let condition = unfit(entry)
            .map_or_else(String::new, |unfit| format!("iseq ${{platform}} {} || ", unfit.platform));
        let key = plan.key(index).map_or_else(String::new, |key| format!("--key {key} "));
        let title = text(&plan.title_with_key(index));
        menu.push_str(&format!("{condition}item {key}{} {title}\n", entry.label));
    }
    // Of a default that is not in the menu iPXE makes its first entry, which may install.
    let default = match unfit(plan.default_entry()) {
        None => default.as_str(),
        Some(unfit) => {
            menu.push_str(&format!(
                "set first {default}\niseq ${{platform}} {} && set first {LOCAL} ||\n",
                unfit.platform
            ));
            "${first}"
        }
    };
    menu.push_str(&format!(
        "choose --default {default}{timeout} label && goto boot-${{label}} || goto menu\n"
    ));
    menu
}

fn kernel(linux: &Linux, entry: &Entry, reach: &Reach) -> String {
    let url = |name: &str| escape(&percent_encode(&base(reach), name));
    let names: Vec<String> = (0..linux.initrds.len()).map(|index| format!("initrd{index}.img")).collect();
    let mut kernel = vec![url(&linux.kernel)];
    kernel.extend(names.iter().map(|name| format!("initrd={name}")));
    kernel.extend(linux.arguments.iter().map(|it| escape(&printable(&quoted(it)))));
    let kernel = kernel.join(" ");
    let label = &entry.label;
    let initrds: String = linux
        .initrds
        .iter()
        .zip(&names)
        .map(|(path, name)| format!("initrd --name {name} {} || goto failed-{label}\n", url(path)))
        .collect();
    let note = entry.note.as_ref().map_or_else(String::new, |note| format!("echo {}\n", text(note)));
    format!(
        "{note}\
         imgfree\n\
         kernel {kernel} || goto failed-{label}\n\
         {initrds}\
         boot ||\n\
         :failed-{label}\n\
         echo That did not work; trying again in 10 seconds\n\
         sleep 10\n\
         goto boot-{label}\n"
    )
}

fn base(reach: &Reach) -> String {
    match (reach.protocol, reach.http_port) {
        (Protocol::Tftp, _) => format!("tftp://{}/", reach.server),
        (Protocol::Http, 80) => format!("http://{}/", reach.server),
        (Protocol::Http, port) => format!("http://{}:{port}/", reach.server),
    }
}

fn percent_encode(base: &str, name: &str) -> String {
    let mut url = base.to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+:@".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

/// What a person reads; the first word must not be an option.
fn text(text: &str) -> String {
    escape(printable(text).trim_start_matches(['-', ' ']))
}

/// iPXE expands `${…}` everywhere and ends commands at `&&`, `||` and `#` (`src/core/exec.c`): none may come from
/// outside.
fn escape(text: &str) -> String {
    text.replace("${", "$_{").replace("&&", "__").replace("||", "__").replace('#', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::plan::tests::{plan_for, site, site_of_two};
    use crate::machine::{Assignment, Boot};
    use std::net::Ipv4Addr;

    const REACH: Reach =
        Reach { protocol: Protocol::Http, server: Ipv4Addr::new(192, 168, 100, 1), http_port: 8080 };

    /// Every label that is gone to is there, once.
    fn check(script: &str) {
        let labels: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix(':')).collect();
        for label in script.split("goto ").skip(1).filter_map(|rest| rest.split([' ', '\n']).next()) {
            assert_eq!(
                labels.iter().filter(|it| **it == label).count(),
                usize::from(label != "boot-${label}"),
                "{label}"
            );
        }
    }

    #[test]
    fn c11_c12_c13_the_script_names_its_ramdisks_and_uses_addresses() {
        let script = render(&site(8080).plan(None), &REACH);
        assert!(script.starts_with("#!ipxe\n"));
        assert!(!script.contains('\r'));
        assert!(
            script.contains(
                "kernel http://192.168.100.1:8080/t/el9/images/pxeboot/vmlinuz initrd=initrd0.img \
                 inst.repo=http://192.168.100.1:8080/t/el9 ip=dhcp || goto failed-linux\n\
                 initrd --name initrd0.img http://192.168.100.1:8080/t/el9/images/pxeboot/initrd.img || goto failed-linux\n"
            ),
            "{script}"
        );
        check(&script);
    }

    #[test]
    fn one_key_leads_from_what_is_decided_to_the_menu() {
        let script = render(&plan_for(&site(80), &Assignment::default()), &REACH);
        assert!(
            script.starts_with(
                "#!ipxe\necho Install Rocky Linux 9.6\nprompt --key 0x6d --timeout 3000 Press m for the menu && goto menu ||\n\
                 goto boot-ks\n:menu\nmenu Rocky Linux 9.6 || goto boot-ks\n"
            ),
            "{script}"
        );
        check(&script);
    }

    #[test]
    fn who_is_to_choose_gets_a_menu() {
        let script = render(&plan_for(&site_of_two(), &Assignment::default()), &REACH);
        assert!(
            script.starts_with("#!ipxe\n:menu\nmenu Network boot || goto boot-local\nitem --key 1 el9 1  "),
            "{script}"
        );
        assert!(
            script.contains(
                "item --key 0 local 0  Boot from the disk\n\
                 choose --default local --timeout 60000 label && goto boot-${label} || goto menu\n"
            ),
            "{script}"
        );
        assert!(script.ends_with(
            ":boot-local\niseq ${platform} pcbios && sanboot --no-describe --drive 0x80 ||\nexit 1\n"
        ));
        check(&script);
        let assignment = Assignment { image: None, boot: Boot::Held { reason: "no disk && shell".into() } };
        let script = render(&plan_for(&site(80), &assignment), &REACH);
        assert!(
            script.contains("item --gap -- no disk __ shell\n") && !script.contains("--timeout"),
            "{script}"
        );
        check(&script);
    }

    /// It would be tried again and again: "Exec format error".
    #[test]
    fn what_ipxe_does_not_start_on_uefi_is_not_offered_there() {
        let mut site = site(80);
        site.images[0].runs_on =
            vec![("linux".into(), RunsOn::BiosOrGrub), ("text".into(), RunsOn::UefiOnly)];
        let script = render(&plan_for(&site, &Assignment::default()), &REACH);
        for line in [
            "iseq ${platform} efi || item --key 1 ks 1  Install Rocky Linux 9.6\n",
            "iseq ${platform} pcbios || item --key 3 text 3  ",
            "set first ks\niseq ${platform} efi && set first local ||\nchoose --default ${first} label && ",
            ":boot-ks\niseq ${platform} efi && goto needs-bios ||\nimgfree\n",
            ":boot-text\niseq ${platform} pcbios && goto needs-uefi ||\n",
            ":needs-bios\necho This does not start here: it needs a BIOS, ",
            " && goto menu || goto boot-local\n:needs-uefi\n",
        ] {
            assert!(script.contains(line), "{line}: {script}");
        }
        check(&script);
        site.wish.wait = Some(Wait::Not);
        let plan = Plan { is_choice: false, ..plan_for(&site, &Assignment::default()) };
        let script = render(&Plan { wait: Wait::Not, ..plan }, &REACH);
        assert!(!script.contains("goto menu") && script.contains("sleep 60\ngoto boot-local\n"), "{script}");
        check(&script);
    }

    #[test]
    fn nothing_of_the_image_is_a_command() {
        let mut site = site(80);
        let entry = &mut site.images[0].entries[0];
        entry.title = "x && shell || ${net0/mac} # y\nshell".into();
        entry.note = Some("z || shell\nshell".into());
        entry.kernel = "a ${b}&&shell".into();
        let script = render(&site.plan(None), &REACH);
        assert!(script.contains("echo x __ shell __ $_{net0/mac} _ y?shell\n"), "{script}");
        assert!(script.contains("echo z __ shell?shell\n"), "{script}");
        assert!(
            script.contains("kernel http://192.168.100.1:8080/t/el9/a%20%24%7Bb%7D%26%26shell initrd="),
            "{script}"
        );
    }
}
