//! Templates: whatever they say, they come to an end, and a hostile value adds no line to what comes of them.

use pxego::answer::template::{Template, Variables};

/// Reads the first part of `data` as a template, and what comes behind a NUL as the value of `x`.
pub fn template(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let Ok(text) = String::from_utf8(data[..at].to_vec()) else { return };
    let value = String::from_utf8_lossy(data.get(at + 1..).unwrap_or_default()).into_owned();
    let Ok(template) = Template::parse(text.clone()) else { return };
    let mut machine = Variables::default();
    machine.set("name", "node01");
    let mut variables = Variables::default();
    variables.set("x", &value);
    variables.set_all("machine", machine);
    let Ok(rendered) = template.render(variables.clone()) else { return };
    assert!(rendered.len() <= 64 << 20);
    // Each line that is known is one of the template's.
    if let Some(lines) = template.lines(variables, &rendered) {
        let count = text.split('\n').count();
        assert!((0..200).filter_map(|line| lines.origin(line)).all(|line| (1..=count).contains(&line)));
    }

    // The same with values that are words: as many lines, unless the template asks what they are.
    let is_free = ["%}", "safe", "{{-", "-}}", "lines", "split"].iter().any(|word| text.contains(word));
    if is_free {
        return;
    }
    let mut variables = Variables::default();
    let mut machine = Variables::default();
    machine.set("name", "node01");
    variables.set("x", "word");
    variables.set_all("machine", machine);
    if let Ok(plain) = template.render(variables) {
        assert_eq!(plain.lines().count(), rendered.lines().count(), "{text:?} {value:?}");
    }
}
