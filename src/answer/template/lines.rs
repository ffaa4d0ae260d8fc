//! Which line of a template each line of what comes of it is from: people mend the template.
//!
//! Loops, conditions and included values move lines about, and minijinja keeps no record of it. So the template is filled in
//! once more with a mark at the end of each line that has text: a character of a private plane, one for each line. Where
//! that gives another text than without the marks (a template that counts letters), no line is known.

use super::super::lexer;
use super::{NAME, Template, Variables};

/// The mark of line 1 is behind this one: Supplementary Private Use Area-A (Unicode §23.5), which no kickstart uses.
const MARK: u32 = 0xF_0000;

/// Most lines that have a mark each.
const MAX_LINES: u32 = 0xFFFD;

/// How a tag begins, and how it ends.
const TAGS: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];

/// For each line of what came of a template, counted as the installer counts them, the line of the template.
#[derive(Debug)]
pub struct Lines(Vec<Option<usize>>);

impl Lines {
    /// A line without a mark is from where the next one is: the line's end stands in a value.
    fn of(marked: &str) -> Self {
        let mut lines: Vec<_> =
            lexer::lines(marked).map(|line| line.text.chars().find_map(line_of_mark)).collect();
        let mut next = None;
        for line in lines.iter_mut().rev() {
            next = line.or(next);
            *line = next;
        }
        Self(lines)
    }

    /// The template's line, counted from 1, where it is known.
    pub fn origin(&self, line: usize) -> Option<usize> {
        self.0.get(line.checked_sub(1)?).copied().flatten()
    }
}

impl Template {
    /// From which of its lines those of `filled_in` are, which came of it with these variables; nothing where that cannot be
    /// said.
    pub fn lines(&self, variables: Variables, filled_in: &str) -> Option<Lines> {
        let marked = marked(&self.text()?)?;
        let text = Self::parse(marked).ok()?.render(variables).ok()?;
        let is_same = text.chars().filter(|c| line_of_mark(*c).is_none()).eq(filled_in.chars());
        is_same.then(|| Lines::of(&text))
    }

    /// The template itself.
    pub(in crate::answer) fn text(&self) -> Option<String> {
        Some(self.environment.get_template(NAME).ok()?.source().to_owned())
    }
}

fn line_of_mark(c: char) -> Option<usize> {
    let line = u32::from(c).checked_sub(MARK).filter(|line| (1..=MAX_LINES).contains(line))?;
    usize::try_from(line).ok()
}

/// The template with its marks; nothing where it has such a character itself.
fn marked(text: &str) -> Option<String> {
    if text.chars().any(|c| line_of_mark(c).is_some()) {
        return None;
    }
    let mut marked = String::with_capacity(text.len().saturating_mul(2));
    let mut tag = Tag::default();
    for (line, mark) in text.split_inclusive('\n').zip(1..=MAX_LINES) {
        let content = line.trim_end();
        tag.read(content);
        marked.push_str(content);
        // A blank line may be taken away by a tag (`-%}`), and the end of a line by one that it ends with.
        let is_swallowed = content.is_empty() || ["%}", "#}"].iter().any(|close| content.ends_with(close));
        if tag.close.is_none()
            && !is_swallowed
            && let Some(mark) = char::from_u32(MARK.saturating_add(mark))
        {
            marked.push(mark);
        }
        let blank = line.get(content.len()..).unwrap_or_default();
        tag.read(blank);
        marked.push_str(blank);
    }
    Some(marked)
}

/// The tag that goes on at some place of a template.
#[derive(Default)]
struct Tag {
    /// How it ends; nothing outside of tags.
    close: Option<&'static str>,
    /// The quote of the text in it that goes on.
    quote: Option<char>,
}

impl Tag {
    /// Reads on.
    fn read(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let mut next = rest.get(c.len_utf8()..).unwrap_or_default();
            match (self.close, self.quote) {
                (None, _) => {
                    if let Some((open, close)) = TAGS.iter().find(|(open, _)| rest.starts_with(open)) {
                        self.close = Some(close);
                        next = rest.get(open.len()..).unwrap_or_default();
                    }
                }
                (Some(_), Some(_)) if c == '\\' => {
                    let mut after = next.chars();
                    after.next();
                    next = after.as_str();
                }
                (Some(_), Some(quote)) => self.quote = Some(quote).filter(|quote| *quote != c),
                (Some(close), None) => match rest.strip_prefix(close) {
                    Some(after) => (self.close, next) = (None, after),
                    None => self.quote = Some(c).filter(|c| close != "#}" && matches!(c, '\'' | '"')),
                },
            }
            rest = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(template: &str, values: &[(&str, &str)]) -> Option<Vec<Option<usize>>> {
        let variables = || {
            let mut variables = Variables::default();
            values.iter().for_each(|(name, value)| variables.set(name, value));
            variables
        };
        let template = Template::parse(template.to_owned()).expect("a template");
        let text = template.render(variables()).expect("a text");
        template.lines(variables(), &text).map(|lines| lines.0)
    }

    #[test]
    fn lines_are_known_behind_loops_conditions_and_comments() {
        let template = "lang en_US\n\
                        {# a comment\nof two lines #}\n\
                        {% if role == 'db' %}\n\
                        part /data\n\
                        {% else %}\n\
                        part /srv\n\
                        {% endif %}\n\
                        {% for n in range(2) %}\n\
                        \x20 echo {{ n }}\n\
                        {% endfor %}\n\
                        \n\
                        {{ name }}\n\
                        {%- if true %} x{% endif %}.\n\
                        last";
        let expected = [1, 7, 10, 10, 13, 13, 15].map(Some);
        assert_eq!(origins(template, &[("role", "web"), ("name", "n1")]).as_deref(), Some(&expected[..]));
        let expected = [1, 1, 2].map(Some);
        assert_eq!(origins("a {{ 'b\\nc' | safe }}\nd\n", &[]).as_deref(), Some(&expected[..]));
    }

    #[test]
    fn marks_of_tags_in_texts_and_raw_blocks_are_none() {
        let template =
            "a {{ '}}' | safe }}\n{% set x = \"%}\\\"\" %}\nb\n{% raw %}\n{{ c }}\n{% endraw %}\nd\n";
        assert_eq!(origins(template, &[]), Some(vec![Some(1), Some(3), Some(5), Some(7)]));
    }

    #[test]
    fn where_the_text_would_change_nothing_is_said() {
        let counts = "{% set x %}\nlong\n{% endset %}\n{{ x | length }}\n";
        assert_eq!(origins(counts, &[]), None);
        assert_eq!(origins("a \u{f0001}\n", &[]), None);
        assert_eq!(origins("", &[]), Some(vec![]));
    }
}
