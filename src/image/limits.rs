//! How much of everything an image may have. Real install images stay far below; an evil one costs no more.

/// Pieces of one file. Tools end each at 4 GiB, some at 1: more than a thousand were a terabyte.
pub(super) const EXTENTS: u32 = 1024;
/// Directories within directories.
pub(super) const DEPTH: u32 = 256;
/// Files, directories and links.
pub(super) const NODES: usize = 2_000_000;
/// Bytes of all directories together. 30,000 files take 6 MB. They are never more than the image, either.
pub(super) const DIRECTORY_BYTES: u64 = 256 << 20;
/// Bytes of all Rock Ridge continuation areas together.
pub(super) const CONTINUATION_BYTES: u64 = 64 << 20;
/// Continuation areas of one record: what Linux allows (`RR_MAX_CE_ENTRIES`).
pub(super) const CONTINUATIONS: usize = 32;
/// Bytes of one continuation area. They are to fit into a sector; some tools write more.
pub(super) const CONTINUATION: usize = 32 << 10;
/// Bytes of a name. POSIX has 255; Joliet's 103 UCS-2 units can be 309 in UTF-8. `content::name` allows as many.
pub(super) const NAME: usize = 320;
/// Bytes of the target of a symbolic link (`PATH_MAX`).
pub(super) const LINK: usize = 4096;
/// Symbolic links followed one after another: what Linux allows (`MAXSYMLINKS`).
pub(super) const HOPS: usize = 40;
/// Path components looked up to resolve all links of an image together. A long one costs more, see [`LINK_STEP`].
pub(super) const LINK_STEPS: usize = 8_000_000;
/// Bytes of a component that are looked up for the price of one more.
pub(super) const LINK_STEP: usize = 16;
/// Bytes of padding after the last file that may be missing. genisoimage adds 150 sectors, isohybrid up to 8 MiB;
/// tools that write sticks and downloads cut to the last file leave them out.
pub(super) const PADDING: u64 = 16 << 20;
