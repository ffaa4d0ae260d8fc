//! Debian packages, read-only: files out of the data member.
//!
//! A package is an `ar` archive of `debian-binary`, `control.tar.*` and `data.tar.*`; how the last two are packed is
//! told by their names.
//!
//! Source: deb(5) of dpkg 1.22, and what it reads: dpkg `lib/dpkg/compress.c`.

use std::collections::BTreeMap;
use std::io::BufReader;

use super::compression::{Compression, Packed};
use super::sums::{self, Sum};
use super::{Files, Limits, PackageError, ar, tar};
use crate::image::FileData;
use crate::order;

/// What a list of checksums or a control file may have, in bytes: that of a kernel's modules has 1 MB.
const CONTROL: Limits = Limits { file_bytes: 8 << 20, total_bytes: 8 << 20, payload_bytes: 32 << 20 };

/// A package whose members were found; their bytes still lie in the image.
#[derive(Debug)]
pub struct Package {
    control: Option<(String, FileData)>,
    name: String,
    data: FileData,
}

impl Package {
    /// Reads the heads of the members: a few hundred bytes, whatever its size.
    ///
    /// # Errors
    /// `NotDeb`, `Malformed` with the place, `Format` when it is not of version 2, or `Read` when the image cannot be
    /// read.
    pub fn open(data: &FileData) -> Result<Self, PackageError> {
        let mut members = ar::members(data)?.into_iter();
        let first = members.next().filter(|it| it.name == "debian-binary");
        let first = first
            .ok_or(PackageError::Malformed { what: "debian-binary is not its first member", offset: 8 })?;
        let version = first.data.read_all(64).map_err(PackageError::Read)?;
        if !version.starts_with(b"2.") {
            return Err(PackageError::Format(String::from_utf8_lossy(&version).trim().to_owned()));
        }
        let mut control = None;
        for member in members {
            if member.name.starts_with("control.tar") {
                control = Some((member.name, member.data));
            } else if member.name.starts_with("data.tar") {
                return Ok(Self { control, name: member.name, data: member.data });
            }
        }
        Err(PackageError::Malformed { what: "it has no data member", offset: data.len() })
    }

    /// Unpacks the files that are wanted. Names have no leading `/` or `./`.
    ///
    /// The payload is streamed, and only as far as the last wanted file that the list of checksums names, if there is
    /// one; the files are compared with it.
    ///
    /// # Errors
    /// `Compression` when the payload is of a kind that is not supported, `Payload` when it is damaged, `TooLarge`
    /// when a limit is passed, `Read` when the image cannot be read.
    pub fn extract(&self, wanted: &dyn Fn(&str) -> bool, limits: Limits) -> Result<Files, PackageError> {
        let mut sums = self.sums();
        sums.retain(|path, _| wanted(path));
        let files = unpack(&self.name, &self.data, wanted, &|files| sums::has_all(files, &sums), limits)?;
        sums::compare(&files, &sums, false)?;
        Ok(files)
    }

    /// The regular files that `md5sums` of the control member names; none when there is no such file. It leaves out
    /// configuration files.
    fn sums(&self) -> BTreeMap<String, Sum> {
        let Some((name, data)) = &self.control else { return BTreeMap::new() };
        let is_sums = |name: &str| name == "md5sums";
        // A control member that cannot be read does not keep us from the files.
        let mut files = unpack(name, data, &is_sums, &|files| !files.is_empty(), CONTROL).unwrap_or_default();
        let sums = files.remove("md5sums").unwrap_or_default();
        let sums = String::from_utf8_lossy(&sums);
        let lines = sums.lines().filter_map(|line| line.split_once("  "));
        order::map(lines.filter_map(|(sum, path)| Some((path.to_owned(), Sum::parse(sum.as_bytes())?))))
    }
}

/// Unpacks a member that is a tar archive.
fn unpack(
    name: &str,
    data: &FileData,
    wanted: &dyn Fn(&str) -> bool,
    enough: &dyn Fn(&Files) -> bool,
    limits: Limits,
) -> Result<Files, PackageError> {
    let mut head = [0; 6];
    let count = data.read_at(&mut head, 0).map_err(PackageError::Read)?;
    let suffix = name.split_once(".tar").map_or("", |(_, suffix)| suffix);
    let compression = Compression::of_suffix(suffix, head.get(..count).unwrap_or_default())?;
    let packed = Packed::new(data, 0, limits);
    let archive = compression.unpack(BufReader::with_capacity(64 << 10, Box::new(packed)))?;
    tar::extract(archive, wanted, enough, limits)
}
