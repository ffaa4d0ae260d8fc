//! Checked reads of foreign bytes, and a window that turns many small reads into few large ones.

use std::io;

use super::ReadAt;

/// Length of a sector, and of the logical block of every install image, in bytes (ECMA-119 §6.1.2, §6.2.2).
pub(super) const SECTOR: u64 = 2048;

/// `len` bytes from `at` on; `None` when they are not all there.
pub(super) fn part(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}

/// What follows the first `at` bytes; nothing when there are fewer.
pub(super) fn rest(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

/// The byte at `at`.
pub(super) fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// Two bytes, most significant first.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    part(bytes, at, 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// Two bytes, least significant first. Numbers written in both orders (ECMA-119 §7.2.3) begin with this one.
pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    part(bytes, at, 2)?.try_into().ok().map(u16::from_le_bytes)
}

/// Four bytes, least significant first. Numbers written in both orders (ECMA-119 §7.3.3) begin with this one.
pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    part(bytes, at, 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// Eight bytes, least significant first.
pub(super) fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    part(bytes, at, 8)?.try_into().ok().map(u64::from_le_bytes)
}

/// Where sector `block` starts, in bytes.
pub(super) fn offset_of(block: u32) -> u64 {
    u64::from(block).saturating_mul(SECTOR)
}

/// The part of an image read last, with some of what follows it.
///
/// Reading ahead stops while it does not pay: all in all no more is read than three times what was asked for, plus
/// four times the window's size. So directories scattered by an evil hand cost no more than they are long.
#[derive(Default)]
pub(super) struct Window {
    size: usize,
    buffer: Vec<u8>,
    start: u64,
    asked: u64,
    read: u64,
}

impl Window {
    /// A window that reads `size` bytes at a time.
    pub(super) fn new(size: usize) -> Self {
        Self { size, ..Self::default() }
    }

    /// The bytes, if the window holds all of them.
    pub(super) fn held(&self, offset: u64, len: usize) -> Option<&[u8]> {
        part(&self.buffer, usize::try_from(offset.checked_sub(self.start)?).ok()?, len)
    }

    /// Moves the window so that it holds `len` bytes from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the source has not that many, or what the device says.
    pub(super) fn fill(&mut self, source: &dyn ReadAt, offset: u64, len: usize) -> io::Result<()> {
        self.asked = self.asked.saturating_add(len as u64);
        if self.held(offset, len).is_some() {
            return Ok(());
        }
        let pays =
            self.read < self.asked.saturating_mul(2).saturating_add((self.size as u64).saturating_mul(3));
        let wanted = if pays { len.max(self.size) } else { len };
        let left = usize::try_from(source.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        if left < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.start = offset;
        self.buffer.resize(wanted.min(left), 0);
        self.read = self.read.saturating_add(self.buffer.len() as u64);
        let result = source.read_exact_at(&mut self.buffer, offset);
        if result.is_err() {
            self.buffer.clear();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
    use super::*;

    #[test]
    fn numbers_are_read_in_both_orders_and_only_inside() {
        let bytes = [1, 2, 3, 4, 5];
        assert_eq!(le16(&bytes, 0), Some(0x0201));
        assert_eq!(be16(&bytes, 3), Some(0x0405));
        assert_eq!(le32(&bytes, 1), Some(0x0504_0302));
        assert_eq!(le32(&bytes, 2), None);
        assert_eq!(part(&bytes, usize::MAX, 2), None);
        assert_eq!(rest(&bytes, 9), b"");
    }

    #[test]
    fn a_window_reads_ahead_and_refuses_what_is_not_there() {
        let source: Vec<u8> = (0..200).collect();
        let mut window = Window::new(50);
        window.fill(&source, 10, 5).unwrap();
        assert_eq!(window.held(14, 46).unwrap().first(), Some(&14));
        assert_eq!(window.held(9, 1), None);
        window.fill(&source, 190, 10).unwrap();
        assert_eq!(window.held(190, 10).unwrap().last(), Some(&199));
        assert_eq!(window.fill(&source, 190, 11).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(window.fill(&source, u64::MAX, 1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn reading_ahead_ends_when_it_does_not_pay() {
        let source = vec![0; 1_000_000];
        let mut window = Window::new(1000);
        for turn in 0..400_u64 {
            window.fill(&source, 2000 * (399 - turn), 1).unwrap();
        }
        assert!(window.read <= 3 * 400 + 4 * 1000, "{} bytes read for 400", window.read);
    }
}
