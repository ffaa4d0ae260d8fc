//! The words of GRUB's shell (GRUB manual §6.2 "Writing full configuration files directly").

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::MAX_TEXT;

/// Most variables that are kept.
const MAX_VARIABLES: usize = 500;

/// Most words of a command.
const MAX_WORDS: usize = 500;

/// How much may be put in for variables in one menu, in bytes: `set a=$a$a` has to end somewhere.
const MAX_EXPANSION: usize = 1 << 20;

/// The shell's variables. One that was never set is empty.
pub(super) struct Variables {
    values: BTreeMap<String, String>,
    expanded: usize,
}

impl Variables {
    pub(super) fn new() -> Self {
        Self { values: BTreeMap::new(), expanded: 0 }
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        let is_name = !name.is_empty() && name.chars().all(is_of_name);
        if is_name && (self.values.len() < MAX_VARIABLES || self.values.contains_key(name)) {
            self.values.insert(name.to_owned(), value.chars().take(MAX_TEXT).collect());
        }
    }

    /// The value, as long as there is room for it.
    fn expand(&mut self, name: &str) -> String {
        let value = self.get(name).to_owned();
        self.expanded = self.expanded.saturating_add(value.len());
        if self.expanded > MAX_EXPANSION { String::new() } else { value }
    }
}

/// What ends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The end of the line, a `;`, or that of the file.
    End,
    /// A `{`.
    Open,
    /// A `}`.
    Close,
}

/// Reads one command after the other.
pub(super) struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable() }
    }

    /// The next command's words, without their quotes and with variables put in, and what ends it; `None` at the end.
    pub(super) fn command(&mut self, variables: &mut Variables) -> Option<(Vec<String>, Stop)> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        self.rest.peek()?;
        let stop = loop {
            let Some(letter) = self.rest.next() else { break Stop::End };
            match letter {
                '\n' | ';' => break Stop::End,
                '{' if word.is_none() => break Stop::Open,
                '}' if word.is_none() => break Stop::Close,
                '#' if word.is_none() => while self.rest.next_if(|letter| *letter != '\n').is_some() {},
                letter if letter.is_whitespace() => finish(&mut word, &mut words),
                '\\' => match self.rest.next() {
                    None | Some('\n') => {}
                    Some(letter) => push(&mut word, letter),
                },
                '\'' => {
                    word.get_or_insert_default();
                    while let Some(letter) = self.rest.next().filter(|letter| *letter != '\'') {
                        push(&mut word, letter);
                    }
                }
                '"' => self.double_quoted(&mut word, variables),
                '$' => {
                    let value = self.variable(variables);
                    // Outside quotes a value is as many words as it has.
                    for letter in value.chars() {
                        if letter.is_whitespace() {
                            finish(&mut word, &mut words)
                        } else {
                            push(&mut word, letter)
                        }
                    }
                }
                letter => push(&mut word, letter),
            }
        };
        finish(&mut word, &mut words);
        Some((words, stop))
    }

    fn double_quoted(&mut self, word: &mut Option<String>, variables: &mut Variables) {
        word.get_or_insert_default();
        while let Some(letter) = self.rest.next() {
            match letter {
                '"' => return,
                '\\' => match self.rest.next() {
                    None | Some('\n') => {}
                    Some(letter @ ('"' | '\\' | '$')) => push(word, letter),
                    Some(letter) => {
                        push(word, '\\');
                        push(word, letter);
                    }
                },
                '$' => self.variable(variables).chars().for_each(|letter| push(word, letter)),
                letter => push(word, letter),
            }
        }
    }

    /// The value of the variable whose name comes now.
    fn variable(&mut self, variables: &mut Variables) -> String {
        let mut name = String::new();
        let is_braced = self.rest.next_if_eq(&'{').is_some();
        while let Some(letter) = self.rest.next_if(|letter| is_of_name(*letter)) {
            if name.len() < MAX_TEXT {
                name.push(letter);
            }
        }
        if is_braced {
            self.rest.next_if_eq(&'}');
        } else if name.is_empty() {
            // $@, $?, $#.
            self.rest.next_if(|letter| matches!(letter, '@' | '?' | '#' | '*'));
        }
        variables.expand(&name)
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn push(word: &mut Option<String>, letter: char) {
    let word = word.get_or_insert_default();
    if word.len() < MAX_TEXT && !letter.is_control() {
        word.push(letter);
    }
}

fn finish(word: &mut Option<String>, words: &mut Vec<String>) {
    if let Some(word) = word.take().filter(|_| words.len() < MAX_WORDS) {
        words.push(word);
    }
}
