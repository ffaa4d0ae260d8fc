//! Templates filled in: what they are told of a machine, and where what is found in the result stands in the template.

use super::answers::{AnswerError, Circumstances};
use super::finding::{Finding, Report};
use super::kickstart::{Kickstart, KickstartError};
use super::lexer;
use super::template::{Lines, Template, TemplateError, Variables};
use crate::machine::Machine;
use crate::order;

/// Columns that may be known from elsewhere; an empty cell says nothing about them.
const KNOWN_COLUMNS: [&str; 5] = ["mac", "uuid", "serial", "name", "ip"];

/// What came of a template for one machine.
#[derive(Debug)]
pub struct FilledIn<'a> {
    /// The template's file.
    pub file: &'a str,
    /// What came of it, before anything is put in.
    pub kickstart: Kickstart,
    template: &'a Template,
    machine: &'a Machine,
    at: &'a Circumstances,
}

impl<'a> FilledIn<'a> {
    /// Fills in a template.
    ///
    /// # Errors
    /// When that cannot be done, or gives no kickstart.
    pub(super) fn new(
        file: &'a str,
        template: &'a Template,
        machine: &'a Machine,
        at: &'a Circumstances,
    ) -> Result<Self, AnswerError> {
        let kickstart = fill_in(file, template, machine, at)?;
        Ok(Self { file, kickstart, template, machine, at })
    }

    /// Puts what was found in the kickstart where it stands in the template.
    pub fn place(&self, report: &mut Report) {
        if report.findings.iter().all(|finding| finding.line == 0) {
            return;
        }
        let filled_in = String::from_utf8_lossy(self.kickstart.text());
        let template = self.template.text().unwrap_or_default();
        let lines = self.template.lines(variables(self.machine, self.at), &filled_in);
        let (before, after): (Vec<&str>, Vec<&str>) =
            (template.split('\n').collect(), lexer::lines(&filled_in).map(|line| line.text).collect());
        for finding in report.findings.iter_mut().filter(|finding| finding.line > 0) {
            match lines.as_ref().and_then(|lines| Some((lines, lines.origin(finding.line)?))) {
                Some((lines, origin)) => move_to(finding, origin, lines, &before, &after),
                None => {
                    finding.message += &format!(" (line {} of what comes of it)", finding.line);
                    (finding.line, finding.column) = (0, 0);
                }
            }
        }
        order::by_key(&mut report.findings, |finding| (finding.line, finding.severity, finding.column));
    }
}

/// Moves a finding from its line of what came of the template (`after`) to the template's line `origin` (of `before`).
fn move_to(finding: &mut Finding, origin: usize, lines: &Lines, before: &[&str], after: &[&str]) {
    let line = |all: &[&str], number: usize| {
        all.get(number.saturating_sub(1)).copied().unwrap_or_default().to_owned()
    };
    finding.column = column(&line(before, origin), &line(after, finding.line), finding.column);
    finding.line = origin;
    finding.message = with_origins(&finding.message, lines);
    finding.instead = finding.instead.as_deref().map(|text| with_origins(text, lines));
}

/// Where the column of a line stands in the line of the template that it came of: the same before the first value that was
/// put in, likewise counted from the end behind the last one, else where the first one is.
fn column(template: &str, filled_in: &str, column: usize) -> usize {
    let is_same = |(a, b): &(char, char)| a == b;
    let template = template.trim_end_matches('\r');
    let start = template.chars().zip(filled_in.chars()).take_while(is_same).count();
    let end = template.chars().rev().zip(filled_in.chars().rev()).take_while(is_same).count();
    let behind = filled_in.chars().count().saturating_add(1).saturating_sub(column);
    if column <= start {
        column
    } else if behind <= end {
        template.chars().count().saturating_add(1).saturating_sub(behind)
    } else {
        start.saturating_add(1)
    }
}

/// A sentence with the numbers of lines in it as those of the template.
fn with_origins(text: &str, lines: &Lines) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for at in 1..words.len() {
        let origin =
            words[at].parse().ok().filter(|_| words[at - 1] == "line").and_then(|it| lines.origin(it));
        words[at] = origin.map_or_else(|| std::mem::take(&mut words[at]), |origin| origin.to_string());
    }
    words.join(" ")
}

/// What comes of a template for a machine.
///
/// # Errors
/// When it cannot be filled in, or gives no kickstart.
pub(super) fn fill_in(
    file: &str,
    template: &Template,
    machine: &Machine,
    at: &Circumstances,
) -> Result<Kickstart, AnswerError> {
    let error = |line, what| AnswerError { file: file.to_owned(), line, what };
    let text = template
        .render(variables(machine, at))
        .map_err(|TemplateError { line, what }: TemplateError| error(line, what))?;
    Kickstart::parse(text.into_bytes())
        .map_err(|what: KickstartError| error(None, format!("what comes of it is no kickstart: {what}")))
}

/// What templates know: the list's columns, `machine`, `image` and `server`.
fn variables(machine: &Machine, at: &Circumstances) -> Variables {
    let (mut all, mut own) = (Variables::default(), Variables::default());
    let listed = machine.listed.as_deref();
    let ip = listed.and_then(|row| row.ip).or(machine.ip).map(|ip| ip.to_string());
    let uuid = machine.uuid.map(|uuid| uuid.to_string());
    let is_empty = |name: &str, value: &str| value.is_empty() && KNOWN_COLUMNS.contains(&name);
    let columns = listed.iter().flat_map(|row| &row.variables);
    for (name, value) in columns.filter(|(name, value)| !is_empty(name, value)) {
        all.set(name, value);
        own.set(name, value);
    }
    own.set("mac", &machine.mac.to_string());
    own.set_known("ip", ip.as_deref());
    for (name, value) in [("uuid", &uuid), ("name", &machine.name)] {
        own.set_known(name, value.as_deref());
        all.set_known(name, value.as_deref());
    }
    all.set("mac", &machine.mac.to_string());
    all.set_known("ip", ip.as_deref());
    all.set_all("machine", own);

    let (mut image, mut server) = (Variables::default(), Variables::default());
    image.set("name", &at.image);
    image.set("title", &at.title);
    image.set("url", &at.tree);
    image.set_known("version", at.version.as_deref());
    all.set_all("image", image);
    server.set("ip", &at.server.to_string());
    server.set("url", at.root.trim_end_matches('/'));
    server.set("http_port", &at.http_port.to_string());
    all.set_all("server", server);
    all
}

#[cfg(test)]
mod tests {
    use super::super::answers::Answer;
    use super::super::answers::tests::circumstances;
    use super::super::check::{Against, check};
    use super::super::{Answers, Release};
    use super::*;
    use crate::wire::MacAddr;
    use std::collections::HashMap;

    /// What is found, by line and column of the template.
    fn found(template: &str) -> Vec<String> {
        let answer = Answer::parse("ks.cfg.j2", template.into()).expect("a template");
        let answers = Answers::new(Some(answer), HashMap::new(), false);
        let (at, machine) = (circumstances(), Machine::unlisted(MacAddr([2, 0, 0, 0, 0, 1]), None));
        let filled_in = answers.filled_in(&machine, &at).expect("a kickstart").expect("a template");
        let against = Against { release: Release::Enterprise(9), repository: None, served: None };
        let mut report = check(filled_in.kickstart.text(), against);
        filled_in.place(&mut report);
        let errors = report.findings.iter().filter(|it| it.severity.key() == "error");
        errors.map(ToString::to_string).collect()
    }

    #[test]
    fn findings_stand_where_the_template_has_them() {
        let template = "lang en_US\n\
                        {% for n in [1, 2] %}\n\
                        # {{ n }}\n\
                        {% endfor %}\n\
                        netwrk --hostname=a\n\
                        network --hostname={{ ip }} --nosuch\n\
                        network --nosuch --hostname={{ ip }}\n\
                        lang {{ 'en_US --bad' | safe }}\n\
                        %packages\n\
                        @core\n";
        let found = found(template);
        let starts = ["5:1: error: ", "6:29: error: ", "7:9: error: ", "8:6: error: ", "9:1: error: "];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}");
        }
        assert!(found[4].contains("section %packages of line 9 ") && found[4].ends_with("behind line 10"));
    }

    #[test]
    fn where_the_template_does_not_tell_the_line_is_of_what_came_of_it() {
        let template = "{% set x %}\nlang\n{% endset %}\n# {{ x | length }}\nnetwrk\n";
        let found = found(template);
        assert!(found[0].starts_with("error: there is no command netwrk (line 2 of what"), "{found:?}");
    }
}
