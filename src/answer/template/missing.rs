//! Which variable it was that a machine does not have: minijinja tells the line alone.

use super::Variables;

/// Words of the language that stand where names do (Jinja, "Template Designer Documentation").
const WORDS: [&str; 21] = [
    "if", "elif", "else", "endif", "for", "endfor", "in", "is", "not", "and", "or", "set", "endset", "macro",
    "endmacro", "true", "false", "none", "True", "False", "None",
];

/// The names on this line of a template that mean nothing, in their order.
pub(super) fn missing(template: &str, line: usize, variables: &Variables) -> Vec<String> {
    let text = template.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for tag in tags(text) {
        for name in names(tag) {
            let first = name.split('.').next().unwrap_or_default();
            let is_made =
                ["for", "set", "macro"].iter().any(|word| template.contains(&format!("{word} {first}")));
            if !is_made && first != "loop" && !variables.knows(name) && !found.iter().any(|it| it == name) {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// What stands in the tags that begin on a line.
fn tags(line: &str) -> impl Iterator<Item = &str> {
    let inside = line.split("{{").flat_map(|part| part.split("{%")).skip(1);
    inside.map(|part| part.split(['}', '%']).next().unwrap_or_default())
}

/// The names in a tag, dots and all: no filters, tests, functions and arguments' names, and nothing in quotes.
fn names(tag: &str) -> impl Iterator<Item = &str> {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let mut quote = None;
    let mut start = None;
    let mut before = ' ';
    let mut found = Vec::new();
    for (at, c) in tag.char_indices().chain([(tag.len(), ' ')]) {
        match (quote, start) {
            (Some(end), _) => quote = Some(end).filter(|end| *end != c),
            (None, None) if matches!(c, '\'' | '"') => (quote, before) = (Some(c), c),
            (None, None) if is_letter(c) => start = Some(at),
            (None, Some(from)) if !is_letter(c) => {
                start = None;
                let name = tag.get(from..at).unwrap_or_default();
                let after = tag.get(at..).unwrap_or_default().trim_start();
                let is_argument = after.starts_with('=') && !after.starts_with("==");
                let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
                if is_name
                    && before != '|'
                    && !after.starts_with('(')
                    && !is_argument
                    && !WORDS.contains(&name)
                {
                    found.push(name);
                }
                // The word behind `is` names a test.
                before = if name == "is" { '|' } else { ' ' };
                if matches!(c, '\'' | '"') {
                    quote = Some(c);
                }
                if c == '|' {
                    before = c;
                }
            }
            (None, None) if !c.is_whitespace() => before = c,
            _ => {}
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_mean_nothing_are_told() {
        let mut variables = Variables::default();
        let mut machine = Variables::default();
        machine.set("name", "node01");
        variables.set("name", "node01");
        variables.set_all("machine", machine);
        for (line, expected) in [
            ("a {{ disk }} {{ name }}", &["disk"][..]),
            ("{{ machine.disk }} {{ machine.name | ks }} {{ disk | sh }}", &["machine.disk", "disk"]),
            ("{% if role == 'db' and name is defined %} role {% endif %}", &["role"]),
            (
                "{% for n in range(count) %}{{ n }}{{ loop.index }}{{ x|join(d=', ') }}{% endfor %}",
                &["count", "x"],
            ),
            ("role disk", &[]),
            ("{{ \"a b\" ~ c", &["c"]),
        ] {
            assert_eq!(missing(&format!("lang\n{line}\n"), 2, &variables), expected, "{line}");
        }
        assert_eq!(missing("", 7, &variables), Vec::<String>::new());
    }
}
