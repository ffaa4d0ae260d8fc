//! The families of install images: one row each, in the order of the tests; the first that matches wins.
//!
//! A later family is one more row. Rows for images that are known by name and not installed yet stand where their test
//! has to come, so that a CoreOS image is not taken for an EL one.
//!
//! Sources stand in each row; the layouts are those that lorax's templates, osinfo-db and cobbler's
//! `distro_signatures.json` agree on.

use super::entry::AnswerKind;
use super::recognise::GrubVerb;

/// What can be done with a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It is installed.
    Installs,
    /// It runs without being installed.
    Live,
    /// It is a program of its own.
    Tool,
    /// It is recognised, and that is all.
    Named,
}

/// Who counts its releases how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Red Hat Enterprise Linux and its kin, all numbered alike.
    Enterprise,
    /// Fedora.
    Fedora,
}

/// Releases from `first` to `last` of a product, by the number before the dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Releases {
    /// Whose numbers.
    pub product: Product,
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
}

/// One row: how a family is known, and where its files are.
///
/// Paths are of the tree, spelled exactly; a `*` stands for any letters within the last component.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Short name for logs and tests.
    pub id: &'static str,
    /// What a person calls it.
    pub name: &'static str,
    /// Whether it is installed, and how.
    pub support: Support,
    /// Every one of these exists.
    pub all: &'static [&'static str],
    /// At least one of these exists, unless the list is empty.
    pub any: &'static [&'static str],
    /// None of these exists.
    pub none: &'static [&'static str],
    /// The release is one of these. No rule when the list is empty; a release that the image does not tell passes.
    pub releases: &'static [Releases],
    /// The volume id contains one of these, unless the list is empty. Only for what no path tells: DVD, Minimal and
    /// netinst of one release share one volume id.
    pub volume: &'static [&'static str],
    /// Where the kernel may be, after what `.treeinfo` says.
    pub kernel: &'static [&'static str],
    /// Where the initial ramdisk may be.
    pub initrd: &'static [&'static str],
    /// Where the installer's runtime image may be.
    pub stage2: &'static [&'static str],
    /// The kernel's arguments, as a template of `boot::arguments`.
    pub arguments: &'static str,
    /// What is added to them for the installer's text mode; empty when there is no such.
    pub text: &'static str,
    /// The whole template for the installer's rescue mode; empty when there is none.
    pub rescue: &'static str,
    /// The answer file it reads.
    pub answer: AnswerKind,
    /// The GRUB commands for its kernel, where its own `grub.cfg` does not tell.
    pub grub_verb: GrubVerb,
    /// What a person has to know; one sentence each.
    pub notes: &'static [&'static str],
    /// Memory a machine needs for an install over the network, in MiB.
    pub memory_mib: u32,
    /// Where this was read.
    pub source: &'static str,
}

const PXEBOOT: &str = "images/pxeboot/vmlinuz";
const KERNEL: &[&str] = &["images/pxeboot/vmlinuz", "isolinux/vmlinuz"];
const INITRD: &[&str] = &["images/pxeboot/initrd.img", "isolinux/initrd.img"];

/// What an image has that carries packages.
const REPOSITORIES: &[&str] =
    &["repodata/repomd.xml", "BaseOS", "Minimal", "Packages", "Server", "Client", "CentOS"];

const fn enterprise(first: u32, last: u32) -> Releases {
    Releases { product: Product::Enterprise, first, last }
}

const fn fedora(first: u32, last: u32) -> Releases {
    Releases { product: Product::Fedora, first, last }
}

/// A row that matches nothing, for the fields a row leaves out.
const EMPTY: Family = Family {
    id: "",
    name: "",
    support: Support::Named,
    all: &[],
    any: &[],
    none: &[],
    releases: &[],
    volume: &[],
    kernel: KERNEL,
    initrd: INITRD,
    stage2: &["images/install.img", "LiveOS/squashfs.img"],
    arguments: "",
    text: "",
    rescue: "",
    answer: AnswerKind::None,
    grub_verb: GrubVerb::Linux,
    notes: &[],
    memory_mib: 3072,
    source: "",
};

const EL5: Family = Family {
    support: Support::Installs,
    arguments: "ks={answer} method={repo} method={mirror} {!repo}stage2={tree}/images/stage2.img ip=dhcp \
                {?mac}ksdevice=bootif BOOTIF={bootif} {!mac}ksdevice=link {?answer}lang=en_US {?answer}keymap=us",
    text: "text",
    rescue: "rescue method={repo} {!repo}stage2={tree}/images/stage2.img ip=dhcp {?mac}ksdevice=bootif \
             BOOTIF={bootif} {!mac}ksdevice=link",
    answer: AnswerKind::Kickstart,
    ..EMPTY
};

const EL6: Family = Family {
    support: Support::Installs,
    arguments: "ks={answer} repo={repo} repo={mirror} {!repo}stage2={tree}/images/install.img ip=dhcp \
                {?mac}ksdevice=bootif BOOTIF={bootif} {!mac}ksdevice=link {?answer}lang=en_US {?answer}keymap=us \
                kssendmac",
    text: "text",
    rescue: "rescue repo={repo} {!repo}stage2={tree}/images/install.img ip=dhcp {?mac}ksdevice=bootif \
             BOOTIF={bootif} {!mac}ksdevice=link",
    answer: AnswerKind::Kickstart,
    ..EMPTY
};

const EL7: Family = Family { grub_verb: GrubVerb::LinuxEfi, ..EL8 };

const EL8: Family = Family {
    support: Support::Installs,
    arguments: "inst.ks={answer} inst.repo={repo} {!repo}inst.stage2={tree} inst.repo={mirror} ip=dhcp \
                BOOTIF={bootif} {?answer}inst.ks.sendmac",
    text: "inst.text",
    rescue: "inst.rescue inst.repo={repo} {!repo}inst.stage2={tree} ip=dhcp BOOTIF={bootif}",
    answer: AnswerKind::Kickstart,
    ..EMPTY
};

/// The families, in the order of the tests.
pub const FAMILIES: &[Family] = &[
    Family {
        id: "coreos",
        name: "Fedora CoreOS",
        all: &[PXEBOOT, "images/pxeboot/rootfs.img"],
        source: "coreos/coreos-installer docs",
        ..EMPTY
    },
    Family {
        id: "xenserver",
        name: "XCP-ng or XenServer",
        all: &["boot/xen.gz", "boot/vmlinuz", "install.img"],
        source: "xcp-ng/host-installer doc/",
        ..EMPTY
    },
    Family {
        id: "el5",
        name: "Enterprise Linux 5",
        all: &[PXEBOOT, "images/stage2.img"],
        any: &["repodata/repomd.xml", "Server/repodata/repomd.xml", "Client/repodata/repomd.xml", "CentOS"],
        releases: &[enterprise(5, 5), fedora(6, 10)],
        stage2: &["images/stage2.img"],
        memory_mib: 512,
        source: "anaconda rhel5-branch loader2/{urlinstall,urls,method}.c",
        ..EL5
    },
    Family {
        id: "el6",
        name: "Enterprise Linux 6",
        all: &[PXEBOOT, "images/install.img"],
        any: &["repodata/repomd.xml", "Server/repodata/repomd.xml", "Packages"],
        none: &["BaseOS", "Minimal", "LiveOS/squashfs.img", "EFI/BOOT/grub.cfg"],
        releases: &[enterprise(6, 6), fedora(11, 16)],
        stage2: &["images/install.img"],
        memory_mib: 1024,
        source: "anaconda rhel6-branch loader/{loader,urlinstall,net}.c; osinfo-db centos-6.*",
        ..EL6
    },
    Family {
        id: "el7",
        name: "Enterprise Linux 7",
        all: &[PXEBOOT, "LiveOS/squashfs.img", "repodata/repomd.xml"],
        none: &["BaseOS", "boot/x86_64/loader/linux", "casper", "live/filesystem.squashfs"],
        releases: &[enterprise(7, 7), fedora(17, 20)],
        stage2: &["LiveOS/squashfs.img"],
        memory_mib: 1536,
        source: "anaconda rhel7-branch dracut/; lorax rhel7-branch x86.tmpl; osinfo-db centos-7.0, rhel-7.9",
        ..EL7
    },
    Family {
        id: "el8plus",
        name: "Enterprise Linux 8 or later",
        all: &["images/install.img"],
        any: &["BaseOS/repodata/repomd.xml", "Minimal/repodata/repomd.xml"],
        releases: &[enterprise(8, 19)],
        // Anolis 8.6 to 8.9 name them after the kernel's release (osinfo-db anolis-8.*).
        kernel: &["images/pxeboot/vmlinuz", "isolinux/vmlinuz", "images/pxeboot/vmlinuz*"],
        initrd: &["images/pxeboot/initrd.img", "isolinux/initrd.img", "images/pxeboot/initrd*.img"],
        source: "anaconda rhel-8, rhel-9, rhel-10; lorax rhel8 to rhel10; osinfo-db",
        ..EL8
    },
    Family {
        id: "fedora",
        name: "Fedora",
        all: &[PXEBOOT, "images/install.img", "repodata/repomd.xml"],
        releases: &[fedora(21, 999)],
        memory_mib: 2048,
        source: "lorax fNN branches; osinfo-db fedora-*",
        ..EL8
    },
    Family {
        id: "live",
        name: "a live image of Fedora or Enterprise Linux",
        all: &["LiveOS/squashfs.img"],
        any: &[PXEBOOT, "isolinux/vmlinuz", "isolinux/vmlinuz0", "boot/x86_64/loader/linux"],
        none: &["images/install.img", "repodata/repomd.xml", ".treeinfo"],
        volume: &["Live", "live", "LIVE"],
        source: "dracut modules.d/90dmsquash-live; osinfo-db rocky-10",
        ..EMPTY
    },
    Family {
        id: "el6-netinst",
        name: "Enterprise Linux 6 network install",
        all: &[PXEBOOT, "images/install.img"],
        none: &[
            "repodata/repomd.xml",
            "BaseOS",
            "Minimal",
            "Packages",
            "Server",
            "LiveOS/squashfs.img",
            // EL6's EFI loader is GRUB 0.97 with a BOOTX64.conf; from EL7 on there is a grub.cfg.
            "EFI/BOOT/grub.cfg",
        ],
        releases: &[enterprise(6, 6), fedora(11, 16)],
        stage2: &["images/install.img"],
        memory_mib: 1024,
        source: "anaconda rhel6-branch scripts/mk-images; osinfo-db centos-6.* netinst",
        ..EL6
    },
    Family {
        id: "el7-netinst",
        name: "Enterprise Linux 7 network install",
        all: &[PXEBOOT, "LiveOS/squashfs.img"],
        none: REPOSITORIES,
        releases: &[enterprise(7, 7), fedora(17, 20)],
        stage2: &["LiveOS/squashfs.img"],
        memory_mib: 1536,
        source: "lorax rhel7-branch x86.tmpl; osinfo-db centos-7.0 netinst",
        ..EL7
    },
    Family {
        id: "el8plus-netinst",
        name: "Enterprise Linux 8 or later, or Fedora, network install",
        all: &[PXEBOOT, "images/install.img"],
        none: REPOSITORIES,
        releases: &[enterprise(8, 19), fedora(21, 999)],
        source: "lorax share/templates.d/99-generic/x86.tmpl; osinfo-db variants netinst",
        ..EL8
    },
    Family {
        id: "treeinfo",
        name: "an install tree with .treeinfo",
        all: &[".treeinfo"],
        any: &["images/pxeboot/vmlinuz*", "images/install.img", "LiveOS/squashfs.img"],
        kernel: &["images/pxeboot/vmlinuz", "isolinux/vmlinuz", "images/pxeboot/vmlinuz*"],
        initrd: &["images/pxeboot/initrd.img", "isolinux/initrd.img", "images/pxeboot/initrd*.img"],
        memory_mib: 4096,
        source: "osinfo-db openanolis.cn/anolis-*; cobbler distro_signatures.json",
        ..EL8
    },
    Family {
        id: "suse-agama",
        name: "openSUSE or SUSE Linux Enterprise (Agama)",
        all: &["boot/x86_64/loader/linux", "LiveOS/squashfs.img"],
        // Rocky 10's live images, made by KIWI, have the same paths.
        volume: &["SUSE", "Leap", "agama"],
        source: "agama-project/agama; osinfo-db opensuse-16.0",
        ..EMPTY
    },
    Family {
        id: "live-unnamed",
        name: "a live image of Fedora or Enterprise Linux",
        all: &["LiveOS/squashfs.img"],
        any: &[PXEBOOT, "isolinux/vmlinuz", "isolinux/vmlinuz0", "boot/x86_64/loader/linux"],
        none: &["images/install.img", "repodata/repomd.xml", ".treeinfo"],
        source: "as live; the volume id was changed",
        ..EMPTY
    },
    Family {
        id: "ubuntu-server",
        name: "Ubuntu Server",
        all: &[".disk/info", "casper/vmlinuz", "casper/install-sources.yaml"],
        source: "canonical/subiquity doc/",
        ..EMPTY
    },
    Family {
        id: "casper",
        name: "Ubuntu or a live image made from it",
        any: &["casper/vmlinuz", "casper/vmlinuz.efi", "casper"],
        source: "casper scripts/casper",
        ..EMPTY
    },
    Family {
        id: "ubuntu-alternate",
        name: "Ubuntu (the older text installer)",
        all: &[".disk/info", "install/vmlinuz", "install/initrd.gz", "dists"],
        source: "cobbler distro_signatures.json",
        ..EMPTY
    },
    Family {
        id: "debian",
        name: "Debian or an image with its installer",
        all: &[".disk/info"],
        any: &["install.amd/vmlinuz", "install.386/vmlinuz", "install.a64/vmlinuz", "install/vmlinuz"],
        source: "debian-installer build/; osinfo-db debian-*",
        ..EMPTY
    },
    Family {
        id: "debian-live",
        name: "a Debian live image",
        any: &["live/filesystem.squashfs", "live/vmlinuz*"],
        source: "live-boot",
        ..EMPTY
    },
    Family {
        id: "suse",
        name: "openSUSE or SUSE Linux Enterprise",
        any: &[
            "boot/x86_64/loader/linux",
            "boot/i386/loader/linux",
            "boot/aarch64/linux",
            "media.1/products",
        ],
        source: "openSUSE/linuxrc; osinfo-db opensuse-*, sle-*",
        ..EMPTY
    },
    Family {
        id: "alpine",
        name: "Alpine Linux",
        any: &[".alpine-release", "apks/.boot_repository"],
        source: "alpinelinux/mkinitfs",
        ..EMPTY
    },
    Family {
        id: "arch",
        name: "Arch Linux",
        any: &["arch/boot/x86_64/vmlinuz-linux", "arch/boot/x86_64/vmlinuz"],
        source: "archlinux/archiso",
        ..EMPTY
    },
    Family {
        id: "proxmox",
        name: "Proxmox",
        all: &[".cd-info", "boot/linux26", "boot/initrd.img"],
        source: "proxmox/pve-installer",
        ..EMPTY
    },
    Family {
        id: "esxi",
        name: "VMware ESXi",
        all: &["boot.cfg", "mboot.c32"],
        source: "VMware vSphere installation guide, boot.cfg",
        ..EMPTY
    },
    Family {
        id: "windows",
        name: "Windows",
        any: &["sources/boot.wim", "sources/install.wim", "sources/install.esd", "bootmgr"],
        source: "ipxe/wimboot",
        ..EMPTY
    },
    Family {
        id: "windows-udf",
        name: "Windows",
        // The ISO 9660 view of the medium holds this one file; the rest is in UDF.
        all: &["README.TXT"],
        volume: &["_X64F", "_X86F", "_A64F", "CCCOMA_", "CPBA_", "ESD-ISO"],
        source: "osinfo-db microsoft.com",
        ..EMPTY
    },
    Family {
        id: "freebsd",
        name: "FreeBSD",
        all: &["boot/loader", "boot/kernel/kernel"],
        source: "FreeBSD release/amd64/mkisoimages.sh",
        ..EMPTY
    },
];
