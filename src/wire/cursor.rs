//! Checked reads from the front of a byte string.

use std::net::Ipv4Addr;

use super::Malformed;

/// A place in bytes from outside. Every read is checked and moves it on.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    /// At the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// How many bytes have been read.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    /// Whether everything has been read.
    pub fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// An error about the byte that comes next.
    pub fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, offset: self.offset }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// Fewer are left; nothing is read then.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.rest().get(..count).ok_or(self.malformed("cut short"))?;
        self.offset = self.offset.saturating_add(count);
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let taken = self.rest().first_chunk::<N>().ok_or(self.malformed("cut short"))?;
        self.offset = self.offset.saturating_add(N);
        Ok(*taken)
    }

    /// The next byte.
    ///
    /// # Errors
    /// None is left.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next two bytes, in network order.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four bytes, in network order.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next four bytes as an address.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn ipv4(&mut self) -> Result<Ipv4Addr, Malformed> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    /// The bytes up to the next NUL, which is read too but not returned.
    ///
    /// # Errors
    /// There is no NUL.
    pub fn until_nul(&mut self) -> Result<&'a [u8], Malformed> {
        let rest = self.rest();
        let length = rest.iter().position(|&byte| byte == 0).ok_or(self.malformed("no NUL at its end"))?;
        let text = self.take(length)?;
        self.take(1)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_move_on_and_failed_reads_do_not() {
        let mut cursor = Cursor::new(b"\x01\x02\x03\x00\x00\x00\x04abc\0de");
        assert_eq!(cursor.u8(), Ok(1));
        assert_eq!(cursor.u16(), Ok(0x0203));
        assert_eq!(cursor.u32(), Ok(4));
        assert_eq!(cursor.until_nul(), Ok(&b"abc"[..]));
        assert_eq!(cursor.until_nul(), Err(Malformed { what: "no NUL at its end", offset: 11 }));
        assert_eq!(cursor.ipv4(), Err(Malformed { what: "cut short", offset: 11 }));
        assert_eq!(cursor.take(usize::MAX), Err(Malformed { what: "cut short", offset: 11 }));
        assert_eq!(cursor.take(2), Ok(&b"de"[..]));
        assert!(cursor.is_at_end());
        assert_eq!(cursor.offset(), 13);
        assert_eq!(cursor.take(0), Ok(&b""[..]));
        assert!(cursor.u8().is_err());
    }
}
