//! One image after the other, and what it is.

use super::MemoryTree;
use crate::media::family::{FAMILIES, Support};
use crate::media::{AnswerKind, GrubVerb, Media, Medium, NotInstallable, recognise};

/// What every installer image from EL5 to EL9 has.
const PXEBOOT: &[&str] =
    &["images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", "isolinux/vmlinuz", "isolinux/initrd.img"];
const EFI: &[&str] = &["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi", "EFI/BOOT/mmx64.efi"];

fn tree(lists: &[&[&str]]) -> MemoryTree {
    MemoryTree::of(&lists.concat())
}

/// `.treeinfo` as lorax of EL7 and anaconda of EL5 and EL6 write it.
fn old_treeinfo(family: &str, version: &str, stage2: &str) -> String {
    format!(
        "[general]\nfamily = {family}\ntimestamp = 1.5\nvariant = \nversion = {version}\npackagedir = \narch = x86_64\n\
         [stage2]\nmainimage = {stage2}\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\n\
         initrd = images/pxeboot/initrd.img\n"
    )
}

/// `.treeinfo` as productmd writes it.
fn new_treeinfo(name: &str, version: &str, variants: &[&str]) -> String {
    let mut text = format!(
        "[header]\ntype = productmd.treeinfo\nversion = 1.2\n[release]\nname = {name}\nversion = {version}\n\
         [tree]\narch = x86_64\nvariants = {}\n[stage2]\nmainimage = images/install.img\n\
         [images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n",
        variants.join(",")
    );
    for variant in variants {
        text += &format!("[variant-{variant}]\npackages = {variant}/Packages\nrepository = {variant}\n");
    }
    text
}

fn many(mut tree: MemoryTree, directory: &str, count: usize) -> MemoryTree {
    for index in 0..count {
        tree = tree.with(&format!("{directory}/package{index}-1-1.noarch.rpm"), b"");
    }
    tree
}

fn centos_5() -> MemoryTree {
    tree(&[
        PXEBOOT,
        &["images/stage2.img", "images/minstg2.img", "repodata/repomd.xml", "images/xen/vmlinuz"],
    ])
    .with("CentOS/centos-release-5-11.el5.centos.x86_64.rpm", b"")
    .with(".discinfo", b"1410785222.83\nFinal\nx86_64\n1,2\nCentOS/base\n/home/buildcentos\n")
    .with(
        ".treeinfo",
        b"[general]\nfamily = CentOS\ntimestamp = 1410785222.83\ntotaldiscs = 1\nversion = 5\ndiscnum = 1\n\
              packagedir = CentOS\narch = x86_64\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\n\
              initrd = images/pxeboot/initrd.img\nboot.iso = images/boot.iso\n[images-xen]\n\
              kernel = images/xen/vmlinuz\ninitrd = images/xen/initrd.img\n",
    )
}

fn centos_6() -> MemoryTree {
    let files =
        ["images/install.img", "repodata/repomd.xml", "EFI/BOOT/BOOTX64.efi", "EFI/BOOT/BOOTX64.conf"];
    let treeinfo = old_treeinfo("CentOS", "6.10", "images/install.img");
    many(tree(&[PXEBOOT, &files]).with(".treeinfo", treeinfo.as_bytes()), "Packages", 1200)
}

fn el7_without_packages() -> MemoryTree {
    tree(&[PXEBOOT, EFI, &["LiveOS/squashfs.img"]])
        .with("EFI/BOOT/grub.cfg", b"menuentry 'Install CentOS 7' {\n\tlinuxefi /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=CentOS\\x207\n\tinitrdefi /images/pxeboot/initrd.img\n}\n")
}

fn centos_7(packages: usize) -> MemoryTree {
    let tree = el7_without_packages()
        .with("repodata/repomd.xml", b"")
        .with(".treeinfo", old_treeinfo("CentOS", "7", "LiveOS/squashfs.img").as_bytes())
        .with(".discinfo", b"1604001756.991081\n7.9\nx86_64\n")
        .with("Packages/centos-release-7-9.2009.0.el7.centos.x86_64.rpm", b"");
    many(tree, "Packages", packages)
}

fn el8plus(name: &str, version: &str, variants: &[&str]) -> MemoryTree {
    let mut tree =
        tree(&[EFI, &["images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", "images/install.img"]])
            .with(".treeinfo", new_treeinfo(name, version, variants).as_bytes())
            .with("EFI/BOOT/grub.cfg", b"  linux /images/pxeboot/vmlinuz quiet\n");
    for variant in variants {
        tree = tree
            .with(&format!("{variant}/repodata/repomd.xml"), b"")
            .with(&format!("{variant}/Packages/a.rpm"), b"");
    }
    tree
}

fn boot_iso() -> MemoryTree {
    tree(&[PXEBOOT, EFI, &["images/install.img", "images/efiboot.img"]])
        .with("EFI/BOOT/grub.cfg", b"\tlinuxefi /images/pxeboot/vmlinuz\n")
}

fn fedora_40() -> MemoryTree {
    el8plus("Fedora", "40", &[])
        .with("repodata/repomd.xml", b"")
        .with("Packages/f/fedora-release-common-40-39.noarch.rpm", b"")
}

/// An image, and what it is to be recognised as.
struct Case {
    tree: MemoryTree,
    volume_id: &'static str,
    family: &'static str,
    name: &'static str,
    arguments: &'static str,
    repositories: &'static [&'static str],
    stage2: &'static str,
    verb: GrubVerb,
}

/// A case with what most of them share.
fn case(tree: MemoryTree, volume_id: &'static str, family: &'static str, name: &'static str) -> Case {
    Case {
        tree,
        volume_id,
        family,
        name,
        arguments: "inst.repo=",
        repositories: &[],
        stage2: "images/install.img",
        verb: GrubVerb::Linux,
    }
}

fn cases() -> Vec<Case> {
    const BOTH: &[&str] = &["BaseOS", "AppStream"];
    let el7 = |case: Case| Case {
        arguments: "inst.repo=",
        stage2: "LiveOS/squashfs.img",
        verb: GrubVerb::LinuxEfi,
        ..case
    };
    vec![
        Case {
            arguments: "method=",
            repositories: &[""],
            stage2: "images/stage2.img",
            ..case(centos_5(), "CentOS_5.11_Final", "el5", "CentOS Linux 5.11 Minimal")
        },
        Case {
            arguments: "method=",
            repositories: &["Server"],
            stage2: "images/stage2.img",
            ..case(
                tree(&[PXEBOOT, &["images/stage2.img", "Server/repodata/repomd.xml"]])
                    .with("Server/redhat-release-5Server-5.11.0.2.x86_64.rpm", b""),
                "RHEL/5.11 x86_64 DVD",
                "el5",
                "Red Hat Enterprise Linux 5.11 Minimal",
            )
        },
        Case {
            arguments: "repo=",
            repositories: &[""],
            ..case(centos_6(), "CentOS", "el6", "CentOS 6.10 DVD")
        },
        Case {
            arguments: "repo=",
            ..case(
                tree(&[PXEBOOT, &["images/install.img", "EFI/BOOT/BOOTX64.efi", "EFI/BOOT/BOOTX64.conf"]]),
                "CentOS",
                "el6-netinst",
                "CentOS Linux network install",
            )
        },
        el7(Case {
            repositories: &[""],
            ..case(centos_7(4000), "CentOS 7 x86_64", "el7", "CentOS Linux 7.9 DVD")
        }),
        el7(Case {
            repositories: &[""],
            ..case(centos_7(400), "CentOS 7 x86_64", "el7", "CentOS Linux 7.9 Minimal")
        }),
        el7(case(el7_without_packages(), "CentOS 7 x86_64", "el7-netinst", "CentOS Linux 7 network install")),
        Case {
            repositories: BOTH,
            ..case(
                el8plus("CentOS Stream", "8", BOTH),
                "CentOS-Stream-8-x86_64-dvd",
                "el8plus",
                "CentOS Stream 8 DVD",
            )
        },
        Case {
            repositories: BOTH,
            ..case(
                el8plus("CentOS Stream", "9", BOTH)
                    .with("BaseOS/Packages/centos-stream-release-9.0-26.el9.noarch.rpm", b""),
                "CentOS-Stream-9-BaseOS-x86_64",
                "el8plus",
                "CentOS Stream 9 DVD",
            )
        },
        Case {
            repositories: BOTH,
            ..case(
                el8plus("CentOS Stream", "10", BOTH),
                "CentOS-Stream-10-BaseOS-x86_64",
                "el8plus",
                "CentOS Stream 10 DVD",
            )
        },
        Case {
            repositories: &["Minimal"],
            ..case(
                el8plus("Rocky Linux", "9.4", &["Minimal"]),
                "Rocky-9-4-x86_64-minimal",
                "el8plus",
                "Rocky Linux 9.4 Minimal",
            )
        },
        // Its .treeinfo is lost: the layout and the volume id are enough.
        Case {
            repositories: BOTH,
            ..case(
                el8plus("", "", BOTH).without(".treeinfo"),
                "RHEL-8-9-0-BaseOS-x86_64",
                "el8plus",
                "Red Hat Enterprise Linux 8.9 DVD",
            )
        },
        Case {
            verb: GrubVerb::LinuxEfi,
            ..case(boot_iso(), "Rocky-9-4-x86_64-boot", "el8plus-netinst", "Rocky Linux 9.4 network install")
        },
        Case {
            verb: GrubVerb::LinuxEfi,
            ..case(
                boot_iso().with(".discinfo", b"1713883600.1\n40\nx86_64\nALL\n"),
                "renamed",
                "el8plus-netinst",
                "Enterprise Linux 8 or later, or Fedora, network install 40",
            )
        },
        Case {
            repositories: &[""],
            ..case(fedora_40(), "Fedora-S-dvd-x86_64-40", "fedora", "Fedora 40 Minimal")
        },
        // Named by .treeinfo, found nowhere else (osinfo-db anolis-8.6).
        Case {
            repositories: &[""],
            ..case(
                tree(&[EFI, &["images/install.img", "repodata/repomd.xml"]])
                    .with("images/pxeboot/vmlinuz-4.19.91", b"")
                    .with("images/pxeboot/initrd-4.19.91.img", b"")
                    .with(
                        ".treeinfo",
                        b"[general]\nfamily = openEuler\nversion = 22.03\narch = x86_64\n[images-x86_64]\n\
                          kernel = images/pxeboot/vmlinuz-4.19.91\ninitrd = images/pxeboot/initrd.img\n",
                    ),
                "openEuler-22.03-LTS-x86_64",
                "treeinfo",
                "openEuler 22.03 Minimal",
            )
        },
    ]
}

#[test]
fn images_are_recognised() {
    for case in cases() {
        let Case { tree, volume_id, family, name, arguments, repositories, stage2, verb } = case;
        let media = recognise(&tree, volume_id).unwrap_or_else(|error| panic!("{volume_id}: {error}"));
        assert_eq!(
            (media.family.id, media.name.as_str()),
            (family, name),
            "{volume_id}: {:?}",
            media.evidence
        );
        let has = |word: &str| media.arguments().split(' ').any(|other| other.starts_with(word));
        assert!(has(arguments), "{name}: {}", media.arguments());
        assert_eq!(media.repositories, repositories, "{name}");
        assert_eq!(media.packages(), !repositories.is_empty(), "{name}");
        assert_eq!(media.stage2.as_deref(), Some(stage2), "{name}");
        assert_eq!(media.grub_verb, verb, "{name}");
        assert_eq!(media.arch, "x86_64", "{name}");
        assert!(media.kernel().starts_with("images/pxeboot/vmlinuz"), "{name}");
        assert!(media.initrds()[0].starts_with("images/pxeboot/initrd"), "{name}");
        assert!(!media.evidence.is_empty() && media.memory_mib() >= 512, "{name}");
    }
}

#[test]
fn what_treeinfo_names_and_is_not_there_is_looked_for_elsewhere() {
    let media = recognise(&el8plus("Rocky Linux", "9.4", &["BaseOS"]), "x").unwrap();
    assert_eq!((media.major(), media.medium), (Some(9), Medium::Dvd));
    let tree = centos_7(10).without("images/pxeboot/initrd.img");
    let media: Media = recognise(&tree, "CentOS 7 x86_64").unwrap();
    assert_eq!(media.initrds(), ["isolinux/initrd.img"]);
    assert!(
        media.evidence.iter().any(|line| line.contains("names images/pxeboot/initrd.img")),
        "{:?}",
        media.evidence
    );
}

#[test]
fn an_image_without_its_initrd_is_incomplete() {
    let tree = centos_7(10).without("images/pxeboot/initrd.img").without("isolinux/initrd.img");
    let error = recognise(&tree, "CentOS 7 x86_64").unwrap_err();
    assert!(matches!(error, NotInstallable::Incomplete { part: "initial ramdisk", .. }), "{error}");
    assert!(error.to_string().contains("looked for images/pxeboot/initrd.img, "), "{error}");
}

#[test]
fn other_images_are_named() {
    let debian = "Debian GNU/Linux 13.1.0 \"Trixie\" - Official amd64 NETINST";
    let cases: Vec<(MemoryTree, &str, &str)> = vec![
        (
            MemoryTree::of(&["install.amd/vmlinuz", "dists/trixie/Release"])
                .with(".disk/info", debian.as_bytes()),
            "Debian 13.1.0 amd64 n",
            "recognised as Debian or an image with its installer: Debian GNU/Linux 13.1.0",
        ),
        (MemoryTree::of(&["README.TXT"]), "CCCOMA_X64FRE_EN-US_DV9", "recognised as Windows"),
        (
            MemoryTree::of(&["BOOT.CFG", "MBOOT.C32"]),
            "ESXI",
            "recognised as VMware ESXi (BOOT.CFG, MBOOT.C32)",
        ),
        (MemoryTree::of(&["holiday/1.jpg", "a"]), "PHOTOS", "found a, holiday (volume id \"PHOTOS\")"),
        (MemoryTree::default(), "", "found nothing"),
    ];
    for (tree, volume_id, expected) in cases {
        let error = recognise(&tree, volume_id).unwrap_err();
        assert!(error.to_string().contains(expected), "{volume_id}: {error}");
    }
}

#[test]
fn the_table_is_sound() {
    for (index, family) in FAMILIES.iter().enumerate() {
        assert!(!family.id.is_empty() && !family.name.is_empty() && !family.source.is_empty(), "row {index}");
        assert!(!family.all.is_empty() || !family.any.is_empty(), "{} matches anything", family.id);
        assert!(FAMILIES.iter().take(index).all(|other| other.id != family.id), "{} twice", family.id);
        let one_star =
            |path: &&str| path.matches('*').count() < 2 && !path.starts_with('/') && !path.ends_with('/');
        let lists =
            [family.all, family.any, family.none, family.kernel, family.before, family.initrd, family.stage2];
        assert!(lists.iter().all(|list| list.iter().all(&one_star)), "{}", family.id);
        if family.support == Support::Named {
            continue;
        }
        assert!(!family.kernel.is_empty() && !family.loaders.is_empty(), "{}", family.id);
        assert!(family.memory_mib > 0, "{}", family.id);
        // An answer file is passed as it says.
        let passes = |template: &str| template.contains("{answer}") || template.contains("{seed}");
        assert_eq!(passes(family.arguments), family.answer != AnswerKind::None, "{}", family.id);
        assert_eq!(family.passed.is_empty(), family.answer == AnswerKind::None, "{}", family.id);
        assert!(family.arguments.contains(family.passed), "{}", family.id);
    }
}
