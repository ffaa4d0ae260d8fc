//! Numbers as a head has them. The standard library's formatting takes as long as everything else about an answer.

/// Most digits of a number: those of `u64::MAX`.
const MAX_DIGITS: usize = 20;

/// Appends `number` to `text`.
pub(super) fn push_decimal(text: &mut String, number: u64) {
    push(text, number, |rest| (rest / 10, rest % 10));
}

/// Appends `number` to `text`, in lower case.
pub(super) fn push_hex(text: &mut String, number: u64) {
    push(text, number, |rest| (rest >> 4, rest & 15));
}

/// `split` takes the last digit off.
fn push(text: &mut String, number: u64, split: impl Fn(u64) -> (u64, u64)) {
    let mut digits = [0; MAX_DIGITS];
    let (mut rest, mut first) = (number, MAX_DIGITS);
    for (at, letter) in digits.iter_mut().enumerate().rev() {
        let (others, digit) = split(rest);
        *letter = b"0123456789abcdef".get(digit as usize).copied().unwrap_or_default();
        (rest, first) = (others, at);
        if rest == 0 {
            break;
        }
    }
    text.push_str(std::str::from_utf8(digits.get(first..).unwrap_or_default()).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_standard_library_does() {
        for number in [0, 1, 9, 10, 15, 16, 255, 4096, 1_795_348_800, u64::MAX - 1, u64::MAX] {
            let mut text = String::from("x");
            push_decimal(&mut text, number);
            push_hex(&mut text, number);
            assert_eq!(text, format!("x{number}{number:x}"));
        }
    }
}
