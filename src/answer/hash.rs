//! Passwords as the installed system keeps them: SHA-512 crypt, which every release reads.
//!
//! Source: Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6. yescrypt is read and not written: EL8 and older do not
//! know it, SHA-512 with 5,000 rounds is what every release takes, and one scheme for all is one thing less to be wrong about.

use sha_crypt::{Params, sha512_crypt};

use super::Release;

/// crypt(3)'s own order of letters for six bits.
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Letters that nobody mistakes for another when a password is read from a screen: no 0 O 1 l I, no vowels that make words.
const READABLE: &[u8; 32] = b"23456789bcdfghjkmnpqrstvwxyzBCDF";

/// Letters of a random password: 20 of 32 letters are 100 bits.
const PASSWORD_LEN: usize = 20;

/// How a password was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `$6$`.
    Sha512,
    /// `$5$`.
    Sha256,
    /// `$2b$` and its kin.
    Bcrypt,
    /// `$y$`, and what came before and after it: `$7$` (scrypt), `$gy$`.
    Yescrypt,
    /// `$1$`.
    Md5,
    /// 13 letters.
    Des,
}

/// What a text says that it is as a hash; `None` where it is none that crypt(3) knows.
pub(super) fn scheme(text: &str) -> Option<Scheme> {
    let Some(rest) = text.strip_prefix('$') else {
        return (text.len() == 13 && text.bytes().all(is_letter)).then_some(Scheme::Des);
    };
    Some(match rest.split_once('$')?.0 {
        "6" => Scheme::Sha512,
        "5" => Scheme::Sha256,
        "2a" | "2b" | "2y" => Scheme::Bcrypt,
        "y" | "gy" | "7" => Scheme::Yescrypt,
        "1" => Scheme::Md5,
        _ => return None,
    })
}

/// Whether all of a hash is there, as crypt(5) of libxcrypt describes each.
pub(super) fn is_whole(text: &str) -> bool {
    let parts: Vec<&str> = text.split('$').skip(1).collect();
    let ends = |digest: &str, len: usize| digest.len() == len && digest.bytes().all(is_letter);
    let is_salt = |salt: &str, most: usize| (1..=most).contains(&salt.len()) && !salt.contains(':');
    match parts.as_slice() {
        ["6" | "5", rounds, rest @ ..] if rounds.starts_with("rounds=") => match rest {
            [salt, digest] => is_salt(salt, 16) && ends(digest, if parts[0] == "6" { 86 } else { 43 }),
            _ => false,
        },
        ["6", salt, digest] => is_salt(salt, 16) && ends(digest, 86),
        ["5", salt, digest] => is_salt(salt, 16) && ends(digest, 43),
        ["1", salt, digest] => is_salt(salt, 8) && ends(digest, 22),
        ["2a" | "2b" | "2y", cost, digest] => cost.len() == 2 && ends(digest, 53),
        ["y" | "gy", parameters, salt, digest] => {
            !parameters.is_empty() && salt.len() <= 86 && ends(digest, 43)
        }
        ["7", parameters, digest] => !parameters.is_empty() && ends(digest, 43),
        [] => text.len() == 13,
        _ => false,
    }
}

fn is_letter(byte: u8) -> bool {
    LETTERS.contains(&byte)
}

/// Whether the installed system reads yescrypt: libxcrypt does from 4.3 on, that of Fedora 30 and EL9.
pub(super) fn reads_yescrypt(release: Release) -> bool {
    match release {
        Release::Enterprise(number) => number >= 9,
        Release::Fedora(number) => number >= 30,
    }
}

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
    fn hashes_are_known_by_their_form() {
        let digest = |len: usize| "a".repeat(len);
        for (text, expected) in [
            (sha512("x", [7; 12]), Scheme::Sha512),
            (format!("$6$rounds=656000$salt${}", digest(86)), Scheme::Sha512),
            (format!("$5$salt${}", digest(43)), Scheme::Sha256),
            // What `mkpasswd -m yescrypt` of libxcrypt 4.4 printed for "x".
            ("$y$j9T$saltsaltsalt$J0muOjlZ8y67VOLVIz09WHd4LXM2lwrrtZHXBEsohS8".into(), Scheme::Yescrypt),
            (format!("$2b$12${}", digest(53)), Scheme::Bcrypt),
            (format!("$1$salt${}", digest(22)), Scheme::Md5),
            ("ab0123456789.".into(), Scheme::Des),
        ] {
            assert_eq!((scheme(&text), is_whole(&text)), (Some(expected), true), "{text}");
            let cut = &text[..text.len() - 1];
            assert!(!is_whole(cut), "{cut}");
        }
        for text in ["", "secret", "$", "$9$a$b", "{SSHA}abc", "$6", "ab 123456789."] {
            assert_eq!(scheme(text), None, "{text}");
        }
        assert!(!is_whole(&format!("$6$seventeen letters$${}", digest(86))));
    }

    #[test]
    fn passwords_are_long_and_differ() {
        let (one, other) = (password(0), password(u128::MAX / 3));
        assert_eq!((one.len(), one != other), (23, true));
        assert_eq!(password(1).chars().filter(|c| *c != '-').count(), 20);
    }
}
