//! Names by order of appearance: `node{:02}` becomes `node01`, `node02`, …

use std::fmt;

use super::keys;

/// What names look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    before: String,
    /// Least number of digits.
    width: usize,
    after: String,
}

impl NamePattern {
    /// Reads `node{}`, or `node{:02}` for at least two digits.
    ///
    /// # Errors
    /// What is wrong with it, and how to write it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = || format!("--name {text}: write it as node{{:02}}, which makes node01, node02, ...");
        let (before, rest) = text.split_once('{').ok_or_else(form)?;
        let (width, after) = rest.split_once('}').ok_or_else(form)?;
        let width = match width.strip_prefix(':') {
            None if width.is_empty() => 1,
            Some(digits) => digits.parse().ok().filter(|width| (1..=9).contains(width)).ok_or_else(form)?,
            None => return Err(form()),
        };
        let pattern = Self { before: before.to_owned(), width, after: after.to_owned() };
        keys::host_name(pattern.name(1)).map_err(|why| format!("--name {text}: {why}"))?;
        Ok(pattern)
    }

    /// The name with this number.
    pub fn name(&self, number: usize) -> String {
        format!("{}{number:0width$}{}", self.before, self.after, width = self.width)
    }

    /// The first name that is not taken.
    pub fn next(&self, is_taken: impl Fn(&str) -> bool) -> String {
        (1..).map(|number| self.name(number)).find(|name| !is_taken(name)).unwrap_or_default()
    }
}

impl fmt::Display for NamePattern {
    /// As it is typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{:0{}}}{}", self.before, self.width, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_filled_up_and_gaps_are_used() {
        let pattern = NamePattern::parse("node{:02}.example.com").expect("a pattern");
        assert_eq!(pattern.name(7), "node07.example.com");
        assert_eq!(NamePattern::parse(&pattern.to_string()), Ok(pattern.clone()));
        assert_eq!(pattern.name(123), "node123.example.com");
        assert_eq!(pattern.next(|name| name.starts_with("node01")), "node02.example.com");
        assert_eq!(NamePattern::parse("n{}").map(|pattern| pattern.name(7)).as_deref(), Ok("n7"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["node", "node{", "node{:x}", "node{:0}", "a b{}", "-{}", "$(x){}", "{02}"] {
            assert!(NamePattern::parse(text).is_err_and(|why| why.contains("--name")), "{text}");
        }
    }
}
