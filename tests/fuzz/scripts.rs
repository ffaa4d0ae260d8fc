//! What the checks of images share: the menus that are written for loaders. Whatever an image says of itself, it adds no line to
//! them, no command and no variable.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pxego::boot::script::{Reach, grub, ipxe, pxelinux, screens};
use pxego::boot::site::{Image, MenuWish, Packages, Site};
use pxego::boot::{Action, Linux, Plan};
use pxego::content::Protocol;
use pxego::machine::ImageId;
use pxego::media::Media;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);

/// Looks at the menu of a run that serves this image, alone and twice, and writes that of the first in each language.
pub fn check(media: &Media) {
    let image = |id: &str| Image {
        id: ImageId::new(id),
        title: media.name.clone(),
        arch: media.arch.clone(),
        entries: media.entries.clone(),
        menu: media.menu.clone(),
        grub_verb: media.grub_verb,
        uefi_programs: vec!["EFI/BOOT/BOOTX64.EFI".to_owned()],
        runs_on: Vec::new(),
        packages: Packages::Own,
        has_kickstart: false,
    };
    for images in [vec![image("el9")], vec![image("el9"), image("el9-2")]] {
        let loader = images.last().map(|image| image.id.clone());
        let wish = MenuWish::default();
        let site = Site { server: SERVER, http_port: 80, images, loader, wish, disk: None };
        let plan = site.plan(None);
        let labels: BTreeSet<&str> = plan.entries.iter().map(|entry| entry.label.as_str()).collect();
        assert_eq!(labels.len(), plan.entries.len(), "each label once: {:#?}", plan.entries);
        // Twice the lines find nothing more.
        if site.only_image().is_some() {
            written(&plan);
        }
    }
}

/// Compares each menu with that of a harmless image.
fn written(plan: &Plan) {
    let plain = plain(plan);
    let module = |menu| pxelinux::Modules { menu, has_chain: true };
    for modules in [module(None), module(Some("menu.c32"))] {
        same_words(&pxelinux::render(plan, modules), &pxelinux::render(&plain, modules));
    }
    let reach = Reach { protocol: Protocol::Http, server: SERVER, http_port: 80 };
    let (menu, expected) = (grub::render(plan, &reach), grub::render(&plain, &reach));
    assert_eq!(without_quoted(&menu), without_quoted(&expected), "{menu}");
    let (script, expected) = (ipxe::render(plan, &reach), ipxe::render(&plain, &reach));
    same_words(&script, &expected);
    for mark in ["${", "&&", "||", "#"] {
        assert_eq!(script.matches(mark).count(), expected.matches(mark).count(), "{mark} in {script}");
    }
    let (help, expected) = (screens::help(plan, "http://x/"), screens::help(&plain, "http://x/"));
    assert_eq!(help.lines().count(), expected.lines().count(), "{help}");
}

/// The same plan with harmless words in the place of the image's.
fn plain(plan: &Plan) -> Plan {
    let mut plain = plan.clone();
    plain.title = "x".to_owned();
    plain.screens.iter_mut().for_each(|(_, name)| "x".clone_into(name));
    plain.display.iter_mut().for_each(|name| "x".clone_into(name));
    for entry in &mut plain.entries {
        entry.title = "x".to_owned();
        entry.note.iter_mut().for_each(|note| "x".clone_into(note));
        if let Action::Linux(Linux { kernel, initrds, arguments, .. }) = &mut entry.action {
            for word in initrds.iter_mut().chain(arguments).chain([kernel]) {
                "x".clone_into(word);
            }
        }
    }
    plain
}

/// As many lines, each with the same first word; and nothing but printable ASCII in them.
fn same_words(menu: &str, expected: &str) {
    assert!(menu.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)), "{menu:?}");
    let words = |text: &str| -> Vec<String> {
        let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
        // A kernel whose name ends like another thing's needs another word (`doc/syslinux.txt`).
        text.lines()
            .map(|line| if first(line) == "LINUX" { "KERNEL".to_owned() } else { first(line) })
            .collect()
    };
    assert_eq!(words(menu), words(expected), "{menu}");
}

/// A script of GRUB with an `x` for each word in single quotes, in which `'\''` is a quote (GRUB manual §16.3).
fn without_quoted(script: &str) -> String {
    let mut outside = String::new();
    let mut rest = script;
    while let Some((before, quoted)) = rest.split_once('\'') {
        outside.push_str(before);
        outside.push('x');
        let (inside, after) = quoted.split_once('\'').unwrap_or_else(|| panic!("a quote is open: {script}"));
        assert!(!inside.contains('\n'), "{script}");
        rest = after;
        // The word goes on.
        while let Some(more) = rest.strip_prefix("\\''") {
            let (inside, after) =
                more.split_once('\'').unwrap_or_else(|| panic!("a quote is open: {script}"));
            assert!(!inside.contains('\n'), "{script}");
            rest = after;
        }
    }
    outside + rest
}
