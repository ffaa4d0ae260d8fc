//! The client system architecture of option 93 (IANA "Processor Architecture Types", RFC 4578 §2.1, RFC 5970).

use std::fmt;

/// What kind of computer asks, as far as its boot loader goes. How it fetches (TFTP or HTTP) is apart:
/// [`Arch::code_is_http`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// x86 with a BIOS (0, 20).
    Bios,
    /// 32-bit x86 UEFI (6, 15).
    Ia32Uefi,
    /// 64-bit x86 UEFI (7, 16), and EFI byte code (9, 17), which firmware says when it means 7.
    X64Uefi,
    /// 32-bit ARM UEFI (10, 18).
    Arm32Uefi,
    /// 64-bit ARM UEFI (11, 19).
    Arm64Uefi,
    /// 32-bit RISC-V UEFI (25, 26).
    RiscV32Uefi,
    /// 64-bit RISC-V UEFI (27, 28).
    RiscV64Uefi,
    /// 128-bit RISC-V UEFI (29, 30).
    RiscV128Uefi,
    /// 32-bit LoongArch UEFI (37, 38).
    LoongArch32Uefi,
    /// 64-bit LoongArch UEFI (39, 40).
    LoongArch64Uefi,
    /// PowerPC Open Firmware (12).
    PowerOpenFirmware,
    /// PowerPC ePAPR (13).
    PowerEpapr,
    /// POWER OPAL v3: petitboot (14).
    PowerOpal,
    /// 32-bit ARM U-Boot (21, 23).
    Arm32UBoot,
    /// 64-bit ARM U-Boot (22, 24).
    Arm64UBoot,
    /// U-Boot built without an architecture (0xffff).
    UBoot,
    /// IBM Z, basic and extended (31, 32).
    S390,
    /// MIPS UEFI, 32 and 64 bits (33, 34).
    MipsUefi,
    /// Sunway UEFI, 32 and 64 bits (35, 36).
    SunwayUefi,
    /// Raspberry Pi boot ROM or EEPROM (41; most say 0, see `Client`).
    RaspberryPi,
    /// Assigned long ago to what nobody boots any more: PC-98, Itanium, Alpha, Arc, Lean Client, Xscale (1-5, 8).
    Obsolete(u16),
    /// Not assigned.
    Unknown(u16),
}

impl Arch {
    /// What a number in option 93 means.
    pub fn from_code(code: u16) -> Self {
        match code {
            0 | 20 => Self::Bios,
            1..=5 | 8 => Self::Obsolete(code),
            6 | 15 => Self::Ia32Uefi,
            7 | 9 | 16 | 17 => Self::X64Uefi,
            10 | 18 => Self::Arm32Uefi,
            11 | 19 => Self::Arm64Uefi,
            12 => Self::PowerOpenFirmware,
            13 => Self::PowerEpapr,
            14 => Self::PowerOpal,
            21 | 23 => Self::Arm32UBoot,
            22 | 24 => Self::Arm64UBoot,
            25 | 26 => Self::RiscV32Uefi,
            27 | 28 => Self::RiscV64Uefi,
            29 | 30 => Self::RiscV128Uefi,
            31 | 32 => Self::S390,
            33 | 34 => Self::MipsUefi,
            35 | 36 => Self::SunwayUefi,
            37 | 38 => Self::LoongArch32Uefi,
            39 | 40 => Self::LoongArch64Uefi,
            41 => Self::RaspberryPi,
            0xffff => Self::UBoot,
            _ => Self::Unknown(code),
        }
    }

    /// Whether a number in option 93 means "I fetch over HTTP".
    pub fn code_is_http(code: u16) -> bool {
        matches!(code, 15..=20 | 23 | 24 | 26 | 28 | 30 | 38 | 40)
    }

    /// Whether it runs EFI programs.
    pub fn is_uefi(self) -> bool {
        self.efi_suffix().is_some() || matches!(self, Self::MipsUefi | Self::SunwayUefi)
    }

    /// Whether it is U-Boot, which wants a script or a configuration file.
    pub fn is_uboot(self) -> bool {
        matches!(self, Self::Arm32UBoot | Self::Arm64UBoot | Self::UBoot)
    }

    /// The machine part of the default loader's name, `x64` in `bootx64.efi` (UEFI §3.5.1.1).
    pub fn efi_suffix(self) -> Option<&'static str> {
        Some(match self {
            Self::Ia32Uefi => "ia32",
            Self::X64Uefi => "x64",
            Self::Arm32Uefi => "arm",
            Self::Arm64Uefi => "aa64",
            Self::RiscV32Uefi => "riscv32",
            Self::RiscV64Uefi => "riscv64",
            Self::RiscV128Uefi => "riscv128",
            Self::LoongArch32Uefi => "loongarch32",
            Self::LoongArch64Uefi => "loongarch64",
            _ => return None,
        })
    }
}

impl fmt::Display for Arch {
    /// The name for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bios => "x86 BIOS",
            Self::Ia32Uefi => "32-bit x86 UEFI",
            Self::X64Uefi => "x86-64 UEFI",
            Self::Arm32Uefi => "32-bit ARM UEFI",
            Self::Arm64Uefi => "64-bit ARM UEFI",
            Self::RiscV32Uefi => "32-bit RISC-V UEFI",
            Self::RiscV64Uefi => "64-bit RISC-V UEFI",
            Self::RiscV128Uefi => "128-bit RISC-V UEFI",
            Self::LoongArch32Uefi => "32-bit LoongArch UEFI",
            Self::LoongArch64Uefi => "64-bit LoongArch UEFI",
            Self::PowerOpenFirmware => "PowerPC Open Firmware",
            Self::PowerEpapr => "PowerPC ePAPR",
            Self::PowerOpal => "POWER OPAL",
            Self::Arm32UBoot => "32-bit ARM U-Boot",
            Self::Arm64UBoot => "64-bit ARM U-Boot",
            Self::UBoot => "U-Boot",
            Self::S390 => "IBM Z",
            Self::MipsUefi => "MIPS UEFI",
            Self::SunwayUefi => "Sunway UEFI",
            Self::RaspberryPi => "Raspberry Pi",
            Self::Obsolete(code) => return write!(f, "obsolete architecture {code}"),
            Self::Unknown(code) => return write!(f, "unknown architecture {code}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of IANA's registry that decide what is booted: code, meaning, whether it is HTTP.
    const TABLE: &[(u16, Arch, bool)] = &[
        (0, Arch::Bios, false),
        (6, Arch::Ia32Uefi, false),
        (7, Arch::X64Uefi, false),
        (9, Arch::X64Uefi, false),
        (10, Arch::Arm32Uefi, false),
        (11, Arch::Arm64Uefi, false),
        (14, Arch::PowerOpal, false),
        (15, Arch::Ia32Uefi, true),
        (16, Arch::X64Uefi, true),
        (17, Arch::X64Uefi, true),
        (18, Arch::Arm32Uefi, true),
        (19, Arch::Arm64Uefi, true),
        (20, Arch::Bios, true),
        (21, Arch::Arm32UBoot, false),
        (22, Arch::Arm64UBoot, false),
        (23, Arch::Arm32UBoot, true),
        (24, Arch::Arm64UBoot, true),
        (25, Arch::RiscV32Uefi, false),
        (26, Arch::RiscV32Uefi, true),
        (27, Arch::RiscV64Uefi, false),
        (28, Arch::RiscV64Uefi, true),
        (29, Arch::RiscV128Uefi, false),
        (30, Arch::RiscV128Uefi, true),
        (37, Arch::LoongArch32Uefi, false),
        (38, Arch::LoongArch32Uefi, true),
        (39, Arch::LoongArch64Uefi, false),
        (40, Arch::LoongArch64Uefi, true),
        (41, Arch::RaspberryPi, false),
        (0xffff, Arch::UBoot, false),
        (42, Arch::Unknown(42), false),
    ];

    #[test]
    fn a03_a04_a05_a07_a08_a09_a10_a11_codes_mean_what_the_registry_says() {
        for &(code, arch, http) in TABLE {
            assert_eq!(Arch::from_code(code), arch, "{code}");
            assert_eq!(Arch::code_is_http(code), http, "{code}");
        }
    }

    #[test]
    fn a06_obsolete_architectures_have_no_loader() {
        for code in [1, 2, 3, 4, 5, 8] {
            let arch = Arch::from_code(code);
            assert_eq!(arch, Arch::Obsolete(code));
            assert_eq!(arch.efi_suffix(), None);
            assert!(!arch.is_uefi() && !arch.is_uboot());
        }
    }

    #[test]
    fn a12_uboot_is_known_by_its_codes() {
        for code in [21, 22, 23, 24, 0xffff] {
            assert!(Arch::from_code(code).is_uboot(), "{code}");
        }
    }

    #[test]
    fn default_loader_names_are_those_of_the_uefi_specification() {
        assert_eq!(Arch::from_code(9).efi_suffix(), Some("x64"));
        assert_eq!(Arch::from_code(19).efi_suffix(), Some("aa64"));
        assert_eq!(Arch::Bios.efi_suffix(), None);
    }
}
