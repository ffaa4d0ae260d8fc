//! Families beside Enterprise Linux: the layouts of their images, and what of them is booted.

use super::MemoryTree;
use crate::media::{AnswerKind, EntryKind, Medium, recognise};

/// What an image is to be recognised as.
struct Case {
    paths: &'static [&'static str],
    volume_id: &'static str,
    texts: &'static [(&'static str, &'static str)],
    family: &'static str,
    name: &'static str,
    kernel: &'static str,
    initrds: &'static [&'static str],
    arguments: &'static str,
}

const CASES: &[Case] = &[
    Case {
        paths: &[
            "images/pxeboot/vmlinuz",
            "images/pxeboot/initrd.img",
            "images/pxeboot/rootfs.img",
            "images/ignition.img",
        ],
        volume_id: "fedora-coreos-40.20240504.3.0",
        texts: &[],
        family: "coreos",
        name: "Fedora CoreOS 40.20240504.3.0 live",
        kernel: "images/pxeboot/vmlinuz",
        initrds: &["images/pxeboot/initrd.img"],
        arguments: "ip=dhcp rd.neednet=1 coreos.live.rootfs_url={tree}/images/pxeboot/rootfs.img \
                    coreos.inst.install_dev={disk} {?disk}coreos.inst.ignition_url={answer} \
                    {!disk}{?answer}ignition.firstboot {!disk}{?answer}ignition.platform.id=metal \
                    {!disk}ignition.config.url={answer}",
    },
    Case {
        paths: &["LiveOS/squashfs.img", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"],
        volume_id: "Fedora-WS-Live-44",
        texts: &[],
        family: "live",
        name: "Fedora 44 live",
        kernel: "images/pxeboot/vmlinuz",
        initrds: &["images/pxeboot/initrd.img"],
        arguments: "root=live:{tree}/LiveOS/squashfs.img ro rd.live.image rd.neednet=1 ip=dhcp BOOTIF={bootif} \
                    rd.lvm=0 rd.luks=0 rd.md=0 rd.dm=0",
    },
    // Made by KIWI, with SUSE's paths.
    Case {
        paths: &["LiveOS/squashfs.img", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd"],
        volume_id: "Rocky-10-0",
        texts: &[],
        family: "live-unnamed",
        name: "Rocky Linux 10.0 live",
        kernel: "boot/x86_64/loader/linux",
        initrds: &["boot/x86_64/loader/initrd"],
        arguments: "root=live:{tree}/LiveOS/squashfs.img ro rd.live.image rd.neednet=1 ip=dhcp BOOTIF={bootif} \
                    rd.lvm=0 rd.luks=0 rd.md=0 rd.dm=0",
    },
    Case {
        paths: &["LiveOS/squashfs.img", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd"],
        volume_id: "Install-Leap-16.0-x86_64",
        texts: &[],
        family: "suse-agama",
        name: "openSUSE Leap 16.0 network install",
        kernel: "boot/x86_64/loader/linux",
        initrds: &["boot/x86_64/loader/initrd"],
        arguments: "root=live:{tree}/LiveOS/squashfs.img rd.live.image rd.neednet=1 ip=dhcp BOOTIF={bootif} \
                    inst.auto={answer} inst.install_url={mirror} inst.self_update=0",
    },
    Case {
        paths: &[
            "boot/x86_64/loader/linux",
            "boot/x86_64/loader/initrd",
            "boot/x86_64/root",
            "repodata/repomd.xml",
        ],
        volume_id: "openSUSE-Leap-15.6-DVD-x86_64-Build710.3-Media",
        texts: &[("media.1/products", "/ openSUSE-Leap 15.6-1\n")],
        family: "suse",
        name: "openSUSE Leap 15.6 DVD",
        kernel: "boot/x86_64/loader/linux",
        initrds: &["boot/x86_64/loader/initrd"],
        arguments: "install={mirror} {!mirror}install={tree} {?mirror}instsys={tree}/boot/x86_64/root \
                    autoyast={answer} netsetup=dhcp ifcfg=*=dhcp BOOTIF={bootif}",
    },
    Case {
        paths: &["boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", "boot/x86_64/root"],
        volume_id: "SLE-15-SP7-Online-x86_64100.1-Media1",
        texts: &[],
        family: "suse",
        name: "SUSE Linux Enterprise 15.7 network install",
        kernel: "boot/x86_64/loader/linux",
        initrds: &["boot/x86_64/loader/initrd"],
        arguments: "install={mirror} {!mirror}install={tree} {?mirror}instsys={tree}/boot/x86_64/root \
                    autoyast={answer} netsetup=dhcp ifcfg=*=dhcp BOOTIF={bootif}",
    },
    Case {
        paths: &["casper/vmlinuz", "casper/initrd", "casper/install-sources.yaml", "pool/"],
        volume_id: "Ubuntu-Server 24.04.2 LTS amd64",
        texts: &[(".disk/info", "Ubuntu-Server 24.04.2 LTS \"Noble Numbat\" - Release amd64 (20250215)")],
        family: "ubuntu-server",
        name: "Ubuntu-Server 24.04.2 DVD",
        kernel: "casper/vmlinuz",
        initrds: &["casper/initrd"],
        arguments: "ip=dhcp BOOTIF={bootif} url={iso} cloud-config-url=/dev/null {?answer}autoinstall \
                    ds=nocloud;s={seed} fsck.mode=skip ---",
    },
    Case {
        paths: &["live/vmlinuz-6.1.0-18-amd64", "live/initrd.img-6.1.0-18-amd64", "live/filesystem.squashfs"],
        volume_id: "d-live 12.5.0 gn amd64",
        texts: &[(".disk/info", "Official Debian GNU/Linux Live 12.5.0 gnome 2024-02-10T12:40\n")],
        family: "debian-live",
        name: "Debian GNU/Linux Live 12.5.0",
        kernel: "live/vmlinuz-6.1.0-18-amd64",
        initrds: &["live/initrd.img-6.1.0-18-amd64"],
        arguments: "boot=live components ip=dhcp BOOTIF={bootif} fetch={tree}/live/filesystem.squashfs",
    },
    Case {
        paths: &["live/vmlinuz", "live/initrd.img", "live/filesystem.squashfs"],
        volume_id: "3.1.2-22-amd64",
        texts: &[("Clonezilla-Live-Version", "clonezilla-live-3.1.2-22-amd64\n")],
        family: "clonezilla",
        name: "Clonezilla live 3.1.2",
        kernel: "live/vmlinuz",
        initrds: &["live/initrd.img"],
        arguments: "boot=live union=overlay username=user config components quiet noswap edd=on nomodeset \
                    net.ifnames=0 ip=dhcp BOOTIF={bootif} ocs_live_run=ocs-live-general ocs_live_extra_param= \
                    ocs_live_batch=no noprompt fetch={tree}/live/filesystem.squashfs",
    },
    Case {
        paths: &[
            "arch/boot/x86_64/vmlinuz-linux",
            "arch/boot/x86_64/initramfs-linux.img",
            "arch/boot/amd-ucode.img",
            "arch/boot/intel-ucode.img",
            "arch/x86_64/airootfs.sfs",
        ],
        volume_id: "ARCH_202408",
        texts: &[("arch/version", "2024.08.01\n")],
        family: "arch",
        // The volume id tells first; it is as good.
        name: "Arch Linux 2024.08.01 live",
        kernel: "arch/boot/x86_64/vmlinuz-linux",
        initrds: &[
            "arch/boot/intel-ucode.img",
            "arch/boot/amd-ucode.img",
            "arch/boot/x86_64/initramfs-linux.img",
        ],
        arguments: "archisobasedir=arch archiso_http_srv={tree}/ ip=dhcp BOOTIF={bootif} script={answer}",
    },
    Case {
        paths: &["EFI/BOOT/bootx64.efi", "boot/floppy.img"],
        volume_id: "MT86PLUS_64",
        texts: &[],
        family: "memtest",
        name: "memtest86+",
        kernel: "EFI/BOOT/bootx64.efi",
        initrds: &[],
        arguments: "",
    },
    Case {
        paths: &["linux", "initrd.gz", "isolinux.cfg", "boot/grub/grub.cfg"],
        volume_id: "ISOIMAGE",
        texts: &[(".disk/mini-info", "Debian GNU/Linux installer build 20230607+deb12u15\n")],
        family: "debian-mini",
        name: "Debian (network installer)",
        kernel: "linux",
        initrds: &["initrd.gz"],
        arguments: "{?answer}auto=true {?answer}priority=critical preseed/url={answer} {?answer}interface=auto \
                    {?answer}locale=en_US.UTF-8 {?answer}keymap=us {?answer}hostname=pxego {?answer}domain= \
                    {?answer}netcfg/get_nameservers= {?answer}netcfg/no_default_route=true \
                    {?mirror_host}mirror/country=manual mirror/http/hostname={mirror_host} \
                    mirror/http/directory={mirror_path} {?mirror_host}mirror/http/proxy= BOOTIF={bootif} ---",
    },
    Case {
        paths: &["boot/vmlinuz-lts", "boot/initramfs-lts", "boot/modloop-lts", "apks/.boot_repository"],
        volume_id: "alpine-std 3.22.0 x86_64",
        texts: &[(".alpine-release", "alpine-standard 3.22.0 250530\n")],
        family: "alpine",
        name: "Alpine Linux 3.22.0 live",
        kernel: "boot/vmlinuz-lts",
        initrds: &["boot/initramfs-lts"],
        arguments: "ip=dhcp BOOTIF={bootif} alpine_repo={tree}/apks modloop={tree}/boot/modloop-lts \
                    modules=loop,squashfs,sd-mod,usb-storage apkovl={answer} quiet",
    },
];

#[test]
fn families_are_recognised() {
    for case in CASES {
        let mut tree = MemoryTree::of(case.paths);
        for (path, text) in case.texts {
            tree = tree.with(path, text.as_bytes());
        }
        let media = recognise(&tree, case.volume_id).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!((media.family.id, media.name.as_str()), (case.family, case.name), "{:?}", media.evidence);
        assert_eq!(
            (media.kernel(), media.initrds()),
            (case.kernel, case.initrds.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>().as_slice()),
            "{}",
            case.name
        );
        assert_eq!(media.arguments(), case.arguments, "{}", case.name);
        assert!(media.known && !media.evidence.is_empty(), "{}", case.name);
        assert_eq!(media.entries.last().map(|entry| entry.kind), Some(EntryKind::Local), "{}", case.name);
        assert_eq!(media.entries[0].takes_answer(), media.answer != AnswerKind::None, "{}", case.name);
    }
}

#[test]
fn what_a_live_image_lacks_is_told() {
    // The family is certain, and there is nothing that could boot it.
    let error = recognise(&MemoryTree::of(&["live/filesystem.squashfs"]), "d-live").unwrap_err();
    assert!(error.to_string().contains("the kernel is not on the image: looked for live/vmlinuz"), "{error}");
}

const MENU: &str = "default vesamenu.c32\ntimeout 600\ndisplay boot.msg\nF1 boot.msg\nF2 options.msg\nF3 none.msg\n\
    menu title CentOS 6.10\nlabel linux\n  menu label ^Install or upgrade\n  menu default\n  kernel vmlinuz\n\
    append initrd=initrd.img\nlabel vesa\n  menu label Install with ^basic video driver\n  kernel vmlinuz\n\
    append initrd=initrd.img xdriver=vesa nomodeset\nlabel rescue\n  menu label ^Rescue\n  kernel vmlinuz\n\
    append initrd=initrd.img rescue\nlabel local\n  menu label Boot from ^local drive\n  localboot 0xffff\n\
    label memtest86\n  menu label ^Memory test\n  kernel memtest\n  append -\n";

#[test]
fn the_own_labels_and_screens_of_a_known_image_are_kept() {
    let tree = MemoryTree::of(&[
        "images/pxeboot/vmlinuz",
        "images/pxeboot/initrd.img",
        "images/install.img",
        "repodata/repomd.xml",
        "isolinux/vmlinuz",
        "isolinux/initrd.img",
        "isolinux/memtest",
        "isolinux/boot.msg",
        "isolinux/options.msg",
    ])
    .with("isolinux/isolinux.cfg", MENU.as_bytes());
    let media = recognise(&tree, "CentOS_6.10_Final").unwrap();
    let told: Vec<_> =
        media.entries.iter().map(|entry| (entry.id.as_str(), entry.kind, entry.title.as_str())).collect();
    assert_eq!(
        told,
        [
            ("linux", EntryKind::Install, "Install CentOS Linux 6.10 Minimal"),
            ("text", EntryKind::Text, "Install CentOS Linux 6.10 Minimal in text mode"),
            ("rescue", EntryKind::Rescue, "Rescue a system with CentOS Linux 6.10 Minimal"),
            ("vesa", EntryKind::Install, "Install with basic video driver"),
            ("memtest86", EntryKind::Tool, "Memory test"),
            ("local", EntryKind::Local, "Boot from the disk"),
        ]
    );
    assert!(
        media.entries[3].arguments.ends_with(" kssendmac xdriver=vesa nomodeset"),
        "{:?}",
        media.entries[3]
    );
    assert!(
        media.entries[3].kernel == "images/pxeboot/vmlinuz" && media.entries[4].kernel == "isolinux/memtest"
    );
    let menu = media.menu.unwrap();
    assert_eq!((menu.title.as_deref(), menu.timeout), (Some("CentOS 6.10"), Some(600)));
    assert_eq!(menu.display.as_deref(), Some("isolinux/boot.msg"));
    assert_eq!(
        menu.screens,
        [(1, "isolinux/boot.msg".into()), (2, "isolinux/options.msg".into())],
        "as far as they exist"
    );
    assert_eq!(menu.default.as_deref(), Some("linux"));
}

#[test]
fn an_unknown_image_is_what_its_menu_says() {
    let menu = "default two\nlabel one\nkernel /k\nappend initrd=/i root=LABEL=x quiet\nlabel two\nmenu label T^wo\n\
                kernel /k\nappend initrd=/i boot=live findiso=/x.iso\nlabel gone\nkernel /gone\n";
    let tree = MemoryTree::of(&["k", "i", "live.txt", "x/filesystem.squashfs"])
        .with("isolinux.cfg", menu.as_bytes());
    let media = recognise(&tree, "TOOLS \"x\"]\n[[y").unwrap();
    assert_eq!((media.family.id, media.known, media.medium), ("unknown", false, Medium::Other));
    assert_eq!(media.name, "TOOLS \"x\"][[y", "a foreign volume id is shown without its control characters");
    let told: Vec<_> =
        media.entries.iter().map(|entry| (entry.id.as_str(), entry.arguments.as_str())).collect();
    assert_eq!(told, [("two", "boot=live"), ("one", "root=LABEL=x quiet"), ("local", "")]);
    assert_eq!(media.entries[0].title, "Two");
    let note = media.entries[1].note.as_deref().unwrap();
    assert!(note.contains("not known to install over the network"), "{note}");
    assert!(media.notes[0].contains("not known"), "{:?}", media.notes);
}

#[test]
fn a_known_family_that_is_not_installed_offers_its_menu_with_its_note() {
    let tree = MemoryTree::of(&["install.amd/vmlinuz", "install.amd/initrd.gz", "dists/bookworm/Release"])
        .with(".disk/info", b"Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST with firmware 20240210-11:27")
        .with("isolinux/isolinux.cfg", b"include menu.cfg\ndefault vesamenu.c32\n")
        .with("isolinux/menu.cfg", b"include txt.cfg\n")
        .with(
            "isolinux/txt.cfg",
            b"label install\n\tmenu label ^Install\n\tkernel /install.amd/vmlinuz\n\tappend vga=788 initrd=/install.amd/initrd.gz --- quiet \n",
        );
    let media = recognise(&tree, "Debian 12.5.0 amd64 n").unwrap();
    assert_eq!(
        (media.family.id, media.known, media.name.as_str()),
        ("debian", false, "Debian GNU/Linux 12.5.0")
    );
    assert_eq!(media.entries[0].arguments, "vga=788 quiet ---");
    assert!(media.notes[0].contains("mini.iso") && media.notes[1].contains("not known"), "{:?}", media.notes);
    assert_eq!(media.arch, "x86_64");
}
