//! Menus of the shape of real images', as trees in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::{Action, OwnMenu, read, rewrite};
use crate::media::EntryKind;
use crate::media::tests::MemoryTree;

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Each item as `label: title | kernel initrds | arguments`.
fn told(menu: &OwnMenu) -> Vec<String> {
    menu.items
        .iter()
        .map(|item| match &item.action {
            Action::Kernel { kernel, initrds, arguments } => format!(
                "{}: {} | {} | {}",
                item.label,
                item.title,
                [std::slice::from_ref(kernel), initrds].concat().join(" "),
                arguments.join(" ")
            ),
            other => format!("{}: {} | {other:?}", item.label, item.title),
        })
        .collect()
}

#[test]
fn isolinux_files_include_one_another_and_name_relative_paths() {
    let tree = MemoryTree::of(&["isolinux/linux", "isolinux/i1.gz", "boot/i2.gz", "top", "isolinux/f1.txt"])
        .with(
            "isolinux/isolinux.cfg",
            b"# a comment\nDEFAULT vesamenu.c32\nPROMPT 0\nTIMEOUT 50\nAPPEND common=1\nF1 f1.txt 0f\nF0 f1.txt\n\
              MENU TITLE Tools\nINCLUDE /isolinux/sub/more.cfg\ninclude isolinux.cfg\ntext help\nlabel no\nendtext\n",
        )
        .with(
            "isolinux/sub/more.cfg",
            b"LABEL a\n  MENU LABEL ^A entry\n  KERNEL linux\n  APPEND quiet initrd=i1.gz,/boot/i2.gz x=\"y z\"\n\
              LABEL b\n  LINUX ../top opt=1\nLABEL hidden\nMENU HIDE\nKERNEL /top\nLABEL top\nKERNEL /TOP\nAPPEND -\n\
              LABEL c32\nKERNEL chain.c32\nAPPEND hd0\nMENU BEGIN\nMENU TITLE Sub\nLABEL disk\nTEXT HELP\nKERNEL evil\nENDTEXT\n\
              LOCALBOOT -1\nMENU END\nLABEL gone\nKERNEL gone\nLABEL more\nKERNEL menu.c32\nAPPEND other.cfg\n",
        )
        .with("isolinux/other.cfg", b"DEFAULT deep\nLABEL deep\nMENU DEFAULT\nKERNEL /top\nINITRD i1.gz\n");
    let menu = read(&tree).unwrap();
    assert_eq!(
        told(&menu),
        [
            "a: A entry | isolinux/linux isolinux/i1.gz boot/i2.gz | quiet x=y z",
            "b: b | top | opt=1 common=1",
            "top: top | top | ",
            "disk: disk | Local",
            "deep: deep | top isolinux/i1.gz | common=1",
        ],
        "each file once"
    );
    assert_eq!((menu.menu.title.as_deref(), menu.menu.timeout), (Some("Tools"), Some(50)));
    assert_eq!(menu.menu.screens, [(1, "isolinux/f1.txt".into()), (10, "isolinux/f1.txt".into())]);
    assert_eq!(menu.menu.default, None, "a module is no entry");
}

#[test]
fn grub_files_have_variables_submenus_and_both_branches() {
    let tree = MemoryTree::of(&["casper/vmlinuz", "casper/initrd", "casper/extra", "boot/k", "boot/i"])
        .with(
            "boot/grub/grub.cfg",
            b"# menu\nset timeout=30\nset default=\"1\"\nset opts='a=1 b=2'; set name=initrd\n\
              if loadfont unicode ; then\n  set gfxmode=auto\nelse\n  echo no\nfi\n\
              function f { linux /evil; }\n\
              menuentry \"Try or \\\"Install\\\"\" --class os --id try {\n\tset gfxpayload=keep\n\
              \tlinux\t($root)/casper/vmlinuz $opts q=\"$opts\" 'ds=nocloud;s=/x' --- quiet # why\n\
              \tinitrd\t/casper/${name} \\\n /casper/extra\n}\n\
              submenu 'More -->' {\n  menuentry 'Deep' { linuxefi (cd0)/boot/k ; initrdefi /boot/i; }\n}\n\
              source /boot/grub/sub.cfg\nsource $prefix/grub.cfg\n\
              menuentry 'Disk' { exit }\nmenuentry 'Next' { chainloader (hd0)+1 }\nmenuentry 'No kernel' { linux /nope }\n",
        )
        .with("boot/grub/sub.cfg", b"grub_platform\nif [ \"$x\" = y ]; then menuentry 'Sub' { linux16 /boot/k z }; fi\n");
    let menu = read(&tree).unwrap();
    assert_eq!(
        told(&menu)[..3],
        [
            "try: Try or \"Install\" | casper/vmlinuz casper/initrd casper/extra | a=1 b=2 q=a=1 b=2 ds=nocloud;s=/x --- quiet",
            "2: Deep | boot/k boot/i | ",
            "3: Sub | boot/k | z",
        ]
    );
    assert!(told(&menu).iter().any(|line| line.ends_with(": Disk | Local")), "{:#?}", told(&menu));
    assert!(told(&menu).iter().any(|line| line.ends_with(": Next | Local")));
    assert_eq!(menu.menu.timeout, Some(300));
    assert_eq!(menu.menu.default, None, "the second is a submenu");
}

#[test]
fn grub_variables_do_not_grow_for_ever() {
    let mut text = "set a=0123456789\n".to_owned();
    for _ in 0..2000 {
        text.push_str("set a=$a$a$a$a\nmenuentry \"$a$a\" { linux /k $a $a $a $a }\n");
    }
    let menu = read(&MemoryTree::of(&["k"]).with("boot/grub/grub.cfg", text.as_bytes())).unwrap();
    assert_eq!(menu.items.len(), super::MAX_ITEMS);
}

#[test]
fn boot_loader_specification_entries() {
    let tree = MemoryTree::of(&["arch/boot/x86_64/vmlinuz-linux", "arch/boot/x86_64/initramfs-linux.img", "u.img"])
        .with("loader/loader.conf", b"timeout 15\ndefault 01-arch*\n")
        .with(
            "loader/entries/01-archiso-x86_64-linux.conf",
            b"title    Arch Linux install medium (x86_64, UEFI)\nsort-key 01\nlinux    /arch/boot/x86_64/vmlinuz-linux\n\
              initrd   /u.img\ninitrd   /arch/boot/x86_64/initramfs-linux.img\noptions  archisobasedir=arch archisosearchuuid=2024-08-01-01\n",
        )
        .with("loader/entries/03-memtest.conf", b"title Memtest\nefi /boot/memtest86+/memtest.efi\n");
    let menu = read(&tree).unwrap();
    assert_eq!(
        told(&menu),
        [
            "01-archiso-x86_64-linux: Arch Linux install medium (x86_64, UEFI) | arch/boot/x86_64/vmlinuz-linux u.img \
          arch/boot/x86_64/initramfs-linux.img | archisobasedir=arch archisosearchuuid=2024-08-01-01"
        ]
    );
    assert_eq!(
        (menu.menu.default.as_deref(), menu.menu.timeout),
        (Some("01-archiso-x86_64-linux"), Some(150))
    );
}

#[test]
fn the_medium_becomes_the_network_where_it_is_known_how() {
    let tree =
        MemoryTree::of(&["LiveOS/squashfs.img", "live/filesystem.squashfs", "ks.cfg", "images/install.img"]);
    let cases = [
        (
            "vmlinuz",
            "inst.stage2=hd:LABEL=Rocky-9\\x20x inst.ks=cdrom:/ks.cfg quiet",
            "inst.stage2={tree} inst.ks={tree}/ks.cfg quiet ip=dhcp BOOTIF={bootif}",
            EntryKind::Install,
        ),
        (
            "vmlinuz",
            "method=cdrom text ip=eth0:dhcp",
            "method={tree} text ip=eth0:dhcp BOOTIF={bootif}",
            EntryKind::Text,
        ),
        (
            "vmlinuz",
            "stage2=hd:LABEL=x:/images/install.img rescue",
            "stage2={tree}/images/install.img rescue ip=dhcp BOOTIF={bootif}",
            EntryKind::Rescue,
        ),
        (
            "vmlinuz",
            "root=live:CDLABEL=Fedora-WS-Live-44 rd.live.image rd.live.check quiet",
            "root=live:{tree}/LiveOS/squashfs.img rd.live.image quiet rd.neednet=1 ip=dhcp BOOTIF={bootif}",
            EntryKind::Live,
        ),
        (
            "live/vmlinuz",
            "boot=live components findiso=/x.iso --- quiet",
            "boot=live components quiet fetch={tree}/live/filesystem.squashfs ip=dhcp BOOTIF={bootif} ---",
            EntryKind::Live,
        ),
        (
            "casper/vmlinuz",
            "iso-scan/filename=/x.iso ---",
            "url={iso} cloud-config-url=/dev/null ip=dhcp BOOTIF={bootif} ---",
            EntryKind::Live,
        ),
        (
            "arch/boot/x86_64/vmlinuz-linux",
            "archisobasedir=arch archisolabel=ARCH_202408 cow_spacesize=1G",
            "archisobasedir=arch cow_spacesize=1G archiso_http_srv={tree}/ ip=dhcp BOOTIF={bootif}",
            EntryKind::Live,
        ),
        (
            "linux",
            "install=cd:/ splash=silent",
            "install={tree} splash=silent netsetup=dhcp BOOTIF={bootif}",
            EntryKind::Install,
        ),
        ("boot/memtest86+.bin", "", "", EntryKind::Tool),
        ("k", "root=/dev/ram0 {x}", "root=/dev/ram0 {{x}}", EntryKind::Other),
    ];
    for (kernel, arguments, expected, kind) in cases {
        let given: Vec<String> = words(arguments).into_iter().filter(|word| !word.is_empty()).collect();
        let rewritten = rewrite(&tree, kernel, &given);
        assert_eq!((rewritten.template.as_str(), rewritten.kind), (expected, kind), "{arguments}");
        assert_eq!(rewritten.finds_medium, expected.contains("{bootif}"), "{arguments}");
    }
}
