//! `pxelinux.cfg/…`: the menu of PXELINUX (syslinux `doc/syslinux.txt`, `doc/pxelinux.txt`, `doc/menu.txt`).

use super::printable;
use crate::boot::arguments::quoted;
use crate::boot::plan::{Action, Entry, Linux, Plan};
use crate::boot::site::{RunsOn, Wait};

/// The screen behind F1 where the image has none of its own.
pub const OWN_SCREEN: &str = "pxego/help.msg";

/// Most entries that are listed above a prompt: a text screen has 25 lines, and the ROM's stand there already.
const MAX_LINES: usize = 14;

/// Name endings by which PXELINUX takes a file for something else than a kernel (`doc/syslinux.txt`, "KERNEL image").
const NOT_KERNELS: [&str; 7] = [".0", ".bin", ".bs", ".bss", ".c32", ".cbt", ".img"];

/// What of PXELINUX's own files there is beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modules<'a> {
    /// The module that shows a menu on the whole screen, `menu.c32` or `vesamenu.c32`.
    pub menu: Option<&'a str>,
    /// Whether `chain.c32` is there, which starts a disk's boot sector itself.
    pub has_chain: bool,
}

/// The menu for `plan`, as 3.11 (EL5) to 6.04 read it.
///
/// Names begin with `::`, which stands for the server's root whatever directory PXELINUX was loaded from
/// (`doc/pxelinux.txt`). It has no quoting: blanks end a name, so a name with one is spelt with `?` for each, which
/// finds nothing; no family has such names.
///
/// Where nobody is to choose there is a prompt only: it needs no other file, and shows on a serial console whatever the
/// graphics card does. Somebody who is to choose gets the menu module of the image, if it has one.
pub fn render(plan: &Plan, modules: Modules<'_>) -> String {
    let plan = &plan.for_all_but(RunsOn::UefiOnly);
    let entries = || plan.entries.iter().enumerate().filter(|(_, entry)| is_for_bios(entry));
    let module = modules.menu.filter(|_| plan.is_choice);
    let mut menu = match module {
        Some(module) => head_of_menu(plan, module),
        None => head_of_prompt(plan, entries().map(|(_, entry)| entry)),
    };
    if plan.screens.is_empty() {
        menu.push_str(&format!("F1 ::{OWN_SCREEN}\n"));
    }
    for (key, name) in plan.screens.iter().filter(|(key, _)| (1..=12).contains(key)) {
        // The tenth has been F0 since the first version.
        let key = if *key == 10 { 0 } else { *key };
        menu.push_str(&format!("F{key} ::{}\n", word(name)));
    }
    for (index, entry) in entries() {
        let is_default = entry.label == plan.default_entry().label;
        let title = match (module, plan.key(index)) {
            // menu.c32 goes to an entry at the key after the circumflex.
            (Some(_), Some(_)) => format!("^{}", printable(&plan.title_with_key(index))),
            _ => printable(&entry.title),
        };
        menu.push_str(&label(entry, &title, is_default));
    }
    if modules.has_chain && plan.is_choice {
        menu.push_str(CHAIN);
    }
    menu
}

/// For a BIOS that stops where it should go on to its next boot device.
const CHAIN: &str =
    "\nLABEL disk\n  MENU LABEL Boot from the first disk, past the BIOS\n  KERNEL chain.c32\n  APPEND hd0\n";

fn head_of_menu(plan: &Plan, module: &str) -> String {
    let mut head = format!(
        "DEFAULT {module}\nPROMPT 0\nTIMEOUT {}\nMENU TITLE {}\n",
        tenths(plan),
        printable(&plan.title)
    );
    if let Some(message) = &plan.message {
        head.push_str(&format!(
            "LABEL reason\n  MENU LABEL {}\n  MENU DISABLE\n  LOCALBOOT 0\n",
            printable(message)
        ));
    }
    head
}

fn head_of_prompt<'a>(plan: &Plan, entries: impl Iterator<Item = &'a Entry>) -> String {
    let default = plan.default_entry();
    let prompt = u8::from(plan.wait != Wait::Not);
    let mut head = format!("DEFAULT {}\nPROMPT {prompt}\nTIMEOUT {}\n", default.label, tenths(plan));
    if let Some(name) = &plan.display {
        head.push_str(&format!("DISPLAY ::{}\n", word(name)));
    }
    for text in plan.message.iter().chain(&default.note) {
        head.push_str(&format!("SAY {}\n", printable(text)));
    }
    head.push_str(&match plan.wait {
        Wait::Forever => "SAY Type one of these and press Enter:\n".to_owned(),
        _ => format!(
            "SAY {} starts by itself. Or type one of these and press Enter:\n",
            printable(&default.title)
        ),
    });
    let entries: Vec<&Entry> = entries.collect();
    for entry in entries.iter().take(MAX_LINES) {
        head.push_str(&format!("SAY   {:<12} {}\n", entry.label, printable(&entry.title)));
    }
    if entries.len() > MAX_LINES {
        head.push_str(&format!("SAY   and {} more; F1 shows what can be typed\n", entries.len() - MAX_LINES));
    }
    head
}

/// TIMEOUT counts tenths of a second; 0 is for ever.
fn tenths(plan: &Plan) -> u128 {
    match plan.wait {
        Wait::For(time) => (time.as_millis() / 100).max(1),
        Wait::Not | Wait::Forever => 0,
    }
}

fn is_for_bios(entry: &Entry) -> bool {
    entry.action.runs_on() != RunsOn::UefiOnly
}

fn label(entry: &Entry, title: &str, is_default: bool) -> String {
    let mut text = format!("\nLABEL {}\n  MENU LABEL {title}\n", entry.label);
    if is_default {
        text.push_str("  MENU DEFAULT\n");
    }
    if let Some(note) = &entry.note {
        // 3.11 does not know of such texts and reads on: no line of one may begin like a command.
        text.push_str(&format!("  TEXT HELP\n  Note: {}\n  ENDTEXT\n", printable(note)));
    }
    match &entry.action {
        // Gives control back to the ROM, and with that to the BIOS, which goes on to its next boot device.
        Action::Local => text.push_str("  LOCALBOOT 0\n"),
        Action::Linux(linux) => text.push_str(&kernel(linux)),
    }
    text
}

fn kernel(linux: &Linux) -> String {
    let is_mistaken = NOT_KERNELS.iter().any(|end| linux.kernel.to_ascii_lowercase().ends_with(end));
    // LINUX came after 3.11, KERNEL goes by the name.
    let keyword = if is_mistaken { "LINUX" } else { "KERNEL" };
    let initrds: Vec<String> = linux.initrds.iter().map(|name| format!("::{}", word(name))).collect();
    let initrd = (!initrds.is_empty()).then(|| format!("initrd={}", initrds.join(",")));
    let arguments = linux.arguments.iter().map(|it| printable(&quoted(it)));
    let mut words: Vec<String> = initrd.into_iter().chain(arguments).collect();
    if words.is_empty() {
        // No arguments at all, not those of other labels.
        words.push("-".to_owned());
    }
    format!("  {keyword} ::{}\n  APPEND {}\n", word(&linux.kernel), words.join(" "))
}

fn word(text: &str) -> String {
    printable(text).replace(' ', "?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::plan::tests::{image, plan_for, site, site_of_two};
    use crate::boot::site::MenuWish;
    use crate::machine::{Assignment, Boot};
    use crate::media::Menu;

    const MENU: Modules<'_> = Modules { menu: Some("menu.c32"), has_chain: true };

    fn render_for(site: &crate::boot::Site, modules: Modules<'_>) -> String {
        render(&plan_for(site, &Assignment::default()), modules)
    }

    #[test]
    fn the_menu_installs_by_itself_and_can_be_stopped() {
        let mut site = site(80);
        site.images[0].entries.truncate(1);
        assert_eq!(
            render_for(&site, MENU),
            "DEFAULT ks\n\
             PROMPT 1\n\
             TIMEOUT 30\n\
             SAY Install Rocky Linux 9.6 starts by itself. Or type one of these and press Enter:\n\
             SAY   ks           Install Rocky Linux 9.6\n\
             SAY   linux        Install Rocky Linux 9.6, by hand\n\
             SAY   local        Boot from the disk\n\
             F1 ::pxego/help.msg\n\
             \n\
             LABEL ks\n  MENU LABEL Install Rocky Linux 9.6\n  MENU DEFAULT\n  KERNEL ::t/el9/images/pxeboot/vmlinuz\n  \
             APPEND initrd=::t/el9/images/pxeboot/initrd.img inst.ks=http://192.168.100.1/ks/abc/ks.cfg \
             inst.repo=http://192.168.100.1/t/el9 ip=dhcp BOOTIF=01-52-54-00-00-00-01 inst.ks.sendmac\n\
             \n\
             LABEL linux\n  MENU LABEL Install Rocky Linux 9.6, by hand\n  KERNEL ::t/el9/images/pxeboot/vmlinuz\n  \
             APPEND initrd=::t/el9/images/pxeboot/initrd.img inst.repo=http://192.168.100.1/t/el9 ip=dhcp \
             BOOTIF=01-52-54-00-00-00-01\n\
             \n\
             LABEL local\n  MENU LABEL Boot from the disk\n  LOCALBOOT 0\n"
        );
    }

    #[test]
    fn who_is_to_choose_gets_a_menu_where_there_is_a_module() {
        let menu = render_for(&site_of_two(), MENU);
        assert!(
            menu.starts_with("DEFAULT menu.c32\nPROMPT 0\nTIMEOUT 600\nMENU TITLE Network boot\nF1 "),
            "{menu}"
        );
        assert!(
            menu.contains(
                "LABEL local\n  MENU LABEL ^0  Boot from the disk\n  MENU DEFAULT\n  LOCALBOOT 0\n"
            ),
            "{menu}"
        );
        assert!(
            menu.contains("LABEL disk\n") && menu.contains("  KERNEL chain.c32\n  APPEND hd0\n"),
            "{menu}"
        );
        let prompt = render_for(&site_of_two(), Modules::default());
        assert!(prompt.starts_with("DEFAULT local\nPROMPT 1\nTIMEOUT 600\nSAY "), "{prompt}");
        assert!(!prompt.contains(".c32"), "{prompt}");
    }

    #[test]
    fn a_long_list_stays_on_the_screen() {
        let mut site = site(80);
        site.images = (0..10).map(|number| image(&format!("el{number}"), "Some Linux")).collect();
        let prompt = render_for(&site, Modules::default());
        assert_eq!(
            prompt.lines().filter(|line| line.starts_with("SAY ")).count(),
            1 + MAX_LINES + 1,
            "{prompt}"
        );
        assert!(prompt.contains("SAY   and 17 more; F1 "), "{prompt}");
    }

    #[test]
    fn a_held_machine_waits_with_the_reason_on_its_screen() {
        let assignment = Assignment { image: None, boot: Boot::Held { reason: "no disk\nAPPEND".into() } };
        let plan = plan_for(&site(80), &assignment);
        let prompt = render(&plan, Modules::default());
        assert!(
            prompt.starts_with("DEFAULT local\nPROMPT 1\nTIMEOUT 0\nSAY no disk?APPEND\nSAY Type one "),
            "{prompt}"
        );
        let menu = render(&plan, MENU);
        assert!(menu.contains("LABEL reason\n  MENU LABEL no disk?APPEND\n  MENU DISABLE\n"), "{menu}");
    }

    #[test]
    fn the_images_own_screens_are_behind_the_keys() {
        let mut site = site(80);
        site.images[0].menu = Some(Menu {
            display: Some("isolinux/boot.msg".into()),
            screens: vec![
                (1, "isolinux/boot.msg".into()),
                (2, "isolinux/options.msg".into()),
                (10, "x y".into()),
            ],
            ..Menu::default()
        });
        let menu = render_for(&site, Modules::default());
        assert!(menu.contains("DISPLAY ::t/el9/isolinux/boot.msg\n"), "{menu}");
        assert!(
            menu.contains("F1 ::t/el9/isolinux/boot.msg\nF2 ::t/el9/isolinux/options.msg\nF0 ::t/el9/x?y\n"),
            "{menu}"
        );
        assert!(!menu.contains(OWN_SCREEN), "{menu}");
    }

    #[test]
    fn at_once_is_without_a_prompt_and_a_tenth_is_not_for_ever() {
        let mut site = site(80);
        site.wish = MenuWish { default: Some("local".into()), wait: Some(Wait::Not) };
        let menu = render(&plan_for(&site, &Assignment::default()), Modules::default());
        assert!(menu.starts_with("DEFAULT local\nPROMPT 0\nTIMEOUT 0\n"), "{menu}");
        site.wish.wait = Some(Wait::For(std::time::Duration::from_millis(1)));
        assert!(render_for(&site, Modules::default()).contains("TIMEOUT 1\n"));
    }

    #[test]
    fn a_tool_is_a_kernel_whatever_its_name_says() {
        let mut site = site(80);
        let tool = |id: &str, kernel: &str| crate::media::Entry {
            id: id.into(),
            kind: crate::media::EntryKind::Tool,
            kernel: kernel.into(),
            initrds: Vec::new(),
            arguments: String::new(),
            ..site.images[0].entries[0].clone()
        };
        site.images[0].entries = vec![tool("memtest86", "memtest.bin"), tool("efi", "memtest.efi")];
        site.images[0].runs_on = vec![("efi".into(), RunsOn::UefiOnly)];
        let menu = render_for(&site, Modules::default());
        assert!(menu.contains("  LINUX ::t/el9/memtest.bin\n  APPEND -\n"), "{menu}");
        assert!(!menu.contains("memtest.efi"), "{menu}");
    }

    #[test]
    fn a_hostile_title_adds_no_line() {
        let mut site = site(80);
        for entry in &mut site.images[0].entries {
            entry.title = "x\nAPPEND evil\r\nKERNEL evil".into();
            entry.note = Some("y\nENDTEXT\nAPPEND evil".into());
            entry.kernel = "a b\nKERNEL evil".into();
            entry.initrds = vec!["a\nAPPEND evil".into()];
        }
        site.images[0].menu = Some(Menu {
            title: Some("z\nAPPEND evil".into()),
            display: Some("d\nAPPEND evil".into()),
            screens: vec![(1, "s\nAPPEND evil".into())],
            ..Menu::default()
        });
        site.wish.wait = Some(Wait::Forever);
        for modules in [MENU, Modules::default()] {
            let menu = render_for(&site, modules);
            let lines = |word: &str| menu.lines().filter(|line| line.trim_start().starts_with(word)).count();
            let chain = usize::from(modules.has_chain);
            assert_eq!(
                (lines("APPEND "), lines("KERNEL "), lines("ENDTEXT")),
                (3 + chain, 3 + chain, 3),
                "{menu}"
            );
        }
    }
}
