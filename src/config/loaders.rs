//! `--loader ARCH=FILE`: which machines a loader is for.

use std::path::PathBuf;

use crate::boot::arch::Arch;

/// Names for people, what they mean, and the machine that an EFI program for it has in its header (PE Format, "Machine
/// Types"); the first names of each are those in help.
const ARCHES: [(&str, Arch); 10] = [
    ("bios", Arch::Bios),
    ("x64", Arch::X64Uefi),
    ("ia32", Arch::Ia32Uefi),
    ("arm64", Arch::Arm64Uefi),
    ("arm", Arch::Arm32Uefi),
    ("riscv64", Arch::RiscV64Uefi),
    ("loongarch64", Arch::LoongArch64Uefi),
    // As uname and firmware call them.
    ("x86_64", Arch::X64Uefi),
    ("aarch64", Arch::Arm64Uefi),
    ("aa64", Arch::Arm64Uefi),
];

/// A loader that the user gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderFile {
    /// The machines it is for.
    pub arch: Arch,
    /// The name of the machines, as it was typed.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// `--loader ARCH=FILE`, repeated; the option's words are split already.
pub(super) fn loaders(typed: &[(String, PathBuf)]) -> Result<Vec<LoaderFile>, String> {
    let mut found: Vec<LoaderFile> = Vec::new();
    for (name, path) in typed {
        let shown = format!("--loader {name}={}", path.display());
        let lower = name.to_ascii_lowercase();
        let Some((_, arch)) = ARCHES.iter().find(|(known, _)| *known == lower) else {
            let names: Vec<&str> = ARCHES.iter().take(7).map(|(name, _)| *name).collect();
            return Err(format!(
                "{shown}: \"{name}\" is no kind of machine; write one of {}",
                names.join(", ")
            ));
        };
        if let Some(other) = found.iter().find(|other| other.arch == *arch) {
            return Err(format!(
                "{shown}: {arch} machines have {} already; give each kind one",
                other.path.display()
            ));
        }
        found.push(LoaderFile { arch: *arch, name: lower, path: path.clone() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_machine_has_one_loader() {
        let typed = |words: &[(&str, &str)]| {
            let words: Vec<_> =
                words.iter().map(|(name, path)| ((*name).to_owned(), PathBuf::from(path))).collect();
            loaders(&words)
        };
        let found = typed(&[("x64", "a"), ("BIOS", "b")]).expect("two kinds");
        assert_eq!((found[0].arch, found[1].arch), (Arch::X64Uefi, Arch::Bios));
        for (words, part) in [
            (&[("x64", "a"), ("x86_64", "b")][..], "have a already"),
            (&[("amd", "a")], "write one of bios, x64, ia32, arm64, arm, riscv64, loongarch64"),
        ] {
            let error = typed(words).expect_err("is refused");
            assert!(error.contains(part) && error.starts_with("--loader "), "{error}");
        }
    }
}
