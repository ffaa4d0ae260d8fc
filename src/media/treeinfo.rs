//! `.treeinfo` and `.discinfo`: what an install tree says about itself.
//!
//! `.treeinfo` is an INI file; lorax and productmd write it, Pungi and the derivatives' scripts edit it by hand. So the
//! reader is tolerant: lines it does not understand are passed over, every part may be missing, and nothing in it is
//! believed before it is found on the image.
//!
//! Never panics on any input: see `tests/fuzz/checks/treeinfo.rs`.
//!
//! Sources: productmd `doc/treeinfo-1.0.rst` and `treeinfo-1.1.rst`; lorax `src/pylorax/treeinfo.py` and
//! `discinfo.py`; anaconda `rhel5-branch` and `rhel6-branch` `scripts/maketreeinfo.py`.

/// No real `.treeinfo` is longer: Fedora's, with all its checksums, has 3 KiB.
pub const MAX_LEN: u64 = 256 << 10;

/// Most `key = value` lines that are kept.
const MAX_LINES: usize = 4096;

/// One `key = value` line, with its section.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    section: String,
    key: String,
    value: String,
}

/// What a `.treeinfo` says. Every question may have no answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Treeinfo {
    lines: Vec<Line>,
}

/// What a file of the tree has to hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum<'a> {
    /// The file, as a path of the tree.
    pub path: String,
    /// The algorithm, in the file's spelling: `sha256`, `sha1`, `md5`.
    pub algorithm: &'a str,
    /// The sum in hexadecimal digits, in the file's spelling.
    pub digits: &'a str,
}

impl Treeinfo {
    /// Reads the text of a `.treeinfo`. Anything is one, if need be an empty one.
    ///
    /// Sections and keys keep their spelling; of the same key twice in a section the last wins, as with Python's
    /// `ConfigParser`, which all its readers use.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines: Vec<Line> = Vec::new();
        let mut section = "";
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.trim();
            if line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(rest) = line.strip_prefix('[') {
                section = rest.split(']').next().unwrap_or_default().trim();
            } else if let Some(at) = line.find(['=', ':'])
                && lines.len() < MAX_LINES
            {
                let (key, value) = line.split_at(at);
                let value = value.get(1..).unwrap_or_default().trim().to_owned();
                lines.push(Line { section: section.to_owned(), key: key.trim().to_owned(), value });
            }
        }
        Self { lines }
    }

    /// The value of `key` in `section`, upper and lower case taken as equal; `None` when it is missing or empty.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        let same = |line: &&Line| {
            line.section.eq_ignore_ascii_case(section)
                && line.key.eq_ignore_ascii_case(key)
                && !line.value.is_empty()
        };
        self.lines.iter().rev().find(same).map(|line| line.value.as_str())
    }

    /// The product, such as `CentOS Linux` or `Fedora`.
    pub fn family(&self) -> Option<&str> {
        self.get("release", "name").or_else(|| self.get("general", "family"))
    }

    /// The release, such as `7.9` or `40`.
    pub fn version(&self) -> Option<&str> {
        self.get("release", "version").or_else(|| self.get("general", "version"))
    }

    /// The architecture, such as `x86_64`.
    pub fn arch(&self) -> Option<&str> {
        self.get("tree", "arch").or_else(|| self.get("general", "arch"))
    }

    /// Where the kernel for `arch` is, as a path of the tree.
    pub fn kernel(&self, arch: &str) -> Option<String> {
        self.image(arch, "kernel")
    }

    /// Where the initial ramdisk for `arch` is, as a path of the tree.
    pub fn initrd(&self, arch: &str) -> Option<String> {
        self.image(arch, "initrd")
    }

    /// An entry of `[images-<arch>]`; of `[images-xen]` and others only when asked for.
    fn image(&self, arch: &str, key: &str) -> Option<String> {
        path(self.get(&format!("images-{arch}"), key)?)
    }

    /// Where the installer's runtime image is, as a path of the tree.
    pub fn main_image(&self) -> Option<String> {
        path(self.get("stage2", "mainimage")?)
    }

    /// The variants of the tree, such as `BaseOS` and `AppStream`; with none, that of `[general]`.
    pub fn variants(&self) -> Vec<&str> {
        let list = self.get("tree", "variants").or_else(|| self.get("general", "variants"));
        let names = list.or_else(|| self.get("general", "variant")).unwrap_or_default();
        names.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()).collect()
    }

    /// Where the variants' repositories are, as paths of the tree; the root is the empty path. Without doubles.
    pub fn repositories(&self) -> Vec<String> {
        self.variant_paths("repository")
    }

    /// Where the variants' packages are, as paths of the tree. Without doubles.
    pub fn package_directories(&self) -> Vec<String> {
        let mut directories = self.variant_paths("packages");
        if let Some(general) = self.get("general", "packagedir").and_then(path)
            && !directories.contains(&general)
        {
            directories.push(general);
        }
        directories
    }

    /// The values of `key` in the `[variant-…]` and `[addon-…]` sections, in the order of the file.
    fn variant_paths(&self, key: &str) -> Vec<String> {
        let mut paths = Vec::new();
        for line in &self.lines {
            let is_variant = line.section.starts_with("variant-") || line.section.starts_with("addon-");
            if is_variant
                && line.key.eq_ignore_ascii_case(key)
                && let Some(path) = path(&line.value)
                && !paths.contains(&path)
            {
                paths.push(path);
            }
        }
        paths
    }

    /// The checksums of the tree's own files, in the order of the file.
    pub fn checksums(&self) -> impl Iterator<Item = Checksum<'_>> {
        self.lines.iter().filter(|line| line.section.eq_ignore_ascii_case("checksums")).filter_map(|line| {
            let (algorithm, digits) = line.value.split_once(':')?;
            let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then_some(())?;
            Some(Checksum { path: path(&line.key)?, algorithm, digits })
        })
    }
}

/// A path as the file spells it, made a path of the tree; `None` when it would leave the tree or cannot be one.
fn path(text: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part if part.contains('\0') => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What a `.discinfo` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discinfo {
    /// Line 1, the build's time stamp; the EL5 initial ramdisk compares it with its own.
    pub stamp: String,
    /// Line 2: `7.9`, `Red Hat Enterprise Linux 8.1.0`, `Final`, `Fedora 40`.
    pub release: String,
    /// Line 3, the architecture.
    pub arch: String,
    /// Line 4: disc numbers with commas, or `ALL`.
    pub discs: String,
}

impl Discinfo {
    /// Reads the text of a `.discinfo`; missing lines are empty.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines().map(|line| line.trim().to_owned());
        let mut next = || lines.next().unwrap_or_default();
        Self { stamp: next(), release: next(), arch: next(), discs: next() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of CentOS 7's, as lorax `treeinfo.py` writes it.
    const EL7: &[u8] =
        b"[general]\nname = CentOS-7\nfamily = CentOS\ntimestamp = 1604001756.99\nvariant = \n\
        version = 7\npackagedir = \narch = x86_64\n\n[stage2]\nmainimage = LiveOS/squashfs.img\n\n\
        [images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n\
        boot.iso = images/boot.iso\n\n[images-xen]\nkernel = images/pxeboot/vmlinuz\n\n[checksums]\n\
        images/pxeboot/vmlinuz = sha256:00ffAA\nrepodata/repomd.xml = sha256:zz\n";

    /// The shape of EL9's, as productmd 1.2 writes it.
    const EL9: &[u8] = b"\xef\xbb\xbf[header]\ntype = productmd.treeinfo\nversion = 1.2\n\n[release]\n\
        name = Rocky Linux\nshort = Rocky\nversion = 9.4\n\n[tree]\narch = x86_64\nvariants = AppStream,BaseOS\n\n\
        [variant-AppStream]\nid = AppStream\npackages = AppStream/Packages\nrepository = AppStream\n\n\
        [variant-BaseOS]\npackages: BaseOS/Packages/\nrepository: ./BaseOS\n\n\
        [general]\n; WARNING.0 = kept for old readers\nfamily = Rocky Linux\nversion = 9.4\npackagedir = AppStream/Packages\n\
        repository = AppStream\n[stage2]\nmainimage = images/install.img\n";

    #[test]
    fn el7_is_read() {
        let tree = Treeinfo::parse(EL7);
        assert_eq!((tree.family(), tree.version(), tree.arch()), (Some("CentOS"), Some("7"), Some("x86_64")));
        assert_eq!(tree.kernel("x86_64").as_deref(), Some("images/pxeboot/vmlinuz"));
        assert_eq!(tree.initrd("x86_64").as_deref(), Some("images/pxeboot/initrd.img"));
        assert_eq!(tree.initrd("xen"), None);
        assert_eq!(tree.main_image().as_deref(), Some("LiveOS/squashfs.img"));
        assert!(tree.variants().is_empty() && tree.repositories().is_empty());
        let sums: Vec<_> = tree.checksums().collect();
        let expected =
            Checksum { path: "images/pxeboot/vmlinuz".to_owned(), algorithm: "sha256", digits: "00ffAA" };
        assert_eq!(sums, [expected]);
    }

    #[test]
    fn el9_is_read() {
        let tree = Treeinfo::parse(EL9);
        assert_eq!((tree.family(), tree.version()), (Some("Rocky Linux"), Some("9.4")));
        assert_eq!(tree.variants(), ["AppStream", "BaseOS"]);
        assert_eq!(tree.repositories(), ["AppStream", "BaseOS"]);
        assert_eq!(tree.package_directories(), ["AppStream/Packages", "BaseOS/Packages"]);
        assert_eq!(tree.get("header", "version"), Some("1.2"));
        assert_eq!(tree.get("general", "WARNING.0"), None, "a comment");
    }

    #[test]
    fn odd_files_are_read_as_far_as_they_go() {
        let cases: [(&str, &[u8]); 7] = [
            ("empty", b""),
            ("no section", b"kernel = x\n"),
            ("a section that does not end", b"[images-x86_64\nkernel\n"),
            ("not text", b"\xff\xfe\x00\x01=\x80"),
            ("leaves the tree", b"[images-x86_64]\nkernel = ../../etc/shadow\n"),
            ("NUL", b"[images-x86_64]\nkernel = a\0b\n"),
            ("empty value", b"[images-x86_64]\nkernel =\n"),
        ];
        for (name, bytes) in cases {
            assert_eq!(Treeinfo::parse(bytes).kernel("x86_64"), None, "{name}");
        }
        let twice = Treeinfo::parse(b"[Images-x86_64]\nKernel=a\nkernel = //b/./c \n");
        assert_eq!(twice.kernel("x86_64").as_deref(), Some("b/c"));
    }

    #[test]
    fn discinfo_is_four_lines() {
        let disc = Discinfo::parse(b"1410785222.83\nRed Hat Enterprise Linux 8.1.0\r\nx86_64\nALL\n");
        assert_eq!(disc.release, "Red Hat Enterprise Linux 8.1.0");
        assert_eq!((disc.arch.as_str(), disc.discs.as_str()), ("x86_64", "ALL"));
        assert_eq!(Discinfo::parse(b"7"), Discinfo { stamp: "7".to_owned(), ..Discinfo::default() });
    }
}
