//! Passwords as the installed system keeps them: SHA-512 crypt, which every release reads.
//!
//! Source: Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6. yescrypt is left out: EL8 and older do not read it,
//! and one scheme for all is one thing less to be wrong about.

use sha_crypt::{Params, sha512_crypt};

/// crypt(3)'s own order of letters for six bits.
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Letters that nobody mistakes for another when a password is read from a screen: no 0 O 1 l I, no vowels that make words.
const READABLE: &[u8; 32] = b"23456789bcdfghjkmnpqrstvwxyzBCDF";

/// Letters of a random password: 20 of 32 letters are 100 bits.
const PASSWORD_LEN: usize = 20;

/// The hash of `password` as crypt(3) writes it.
///
/// `salt` is random; 12 bytes make the 16 letters that crypt(3) reads. More would be cut off there and never verify.
pub fn sha512(password: &str, salt: [u8; 12]) -> String {
    let salt: String = salt.chunks(3).flat_map(|bytes| letters(bytes, 4)).collect();
    let digest = sha512_crypt(password.as_bytes(), salt.as_bytes(), Params::default());
    format!("$6${salt}${}", encode(&digest))
}

/// A password from random bits.
pub fn password(bits: u128) -> String {
    let letter = |place: usize| {
        let index = (bits >> (5 * place)) as usize % READABLE.len();
        char::from(READABLE[index])
    };
    let letters: Vec<char> = (0..PASSWORD_LEN).map(letter).collect();
    letters.chunks(5).map(|part| part.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// `count` letters for up to three bytes, the first one in the lowest bits.
fn letters(bytes: &[u8], count: usize) -> impl Iterator<Item = char> {
    let bits = bytes.iter().rev().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    (0..count).map(move |place| char::from(LETTERS[(bits >> (6 * place)) as usize & 63]))
}

/// The digest in the order that crypt(3) writes its bytes in.
fn encode(digest: &[u8; 64]) -> String {
    let mut text = String::with_capacity(86);
    // Three bytes that are a third of the digest apart; which third comes first goes round.
    for step in 0..21_usize {
        let group = [step, step + 21, step + 42];
        let mut bytes = group.map(|index| digest[index]);
        bytes.rotate_left(step % 3);
        // The first of the three has the highest bits.
        bytes.reverse();
        text.extend(letters(&bytes, 4));
    }
    text.extend(letters(&digest[63..], 2));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_specification() {
        // Drepper's own test vector, whose salt is given as letters.
        let digest = sha512_crypt(b"Hello world!", b"saltstring", Params::default());
        assert_eq!(
            encode(&digest),
            "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        );
    }

    #[test]
    fn a_salt_is_sixteen_letters() {
        let hash = sha512("x", [0xff; 12]);
        assert_eq!(hash.split('$').nth(2), Some("zzzzzzzzzzzzzzzz"));
        assert_ne!(sha512("x", [0; 12]), sha512("x", [1; 12]));
    }

    #[test]
    fn passwords_are_long_and_differ() {
        let (one, other) = (password(0), password(u128::MAX / 3));
        assert_eq!((one.len(), one != other), (23, true));
        assert_eq!(password(1).chars().filter(|c| *c != '-').count(), 20);
    }
}
