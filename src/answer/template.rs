//! A kickstart with places for what differs from machine to machine: a Jinja template (`*.j2`).
//!
//! Nothing that stands in a list of machines can become a command. A value with only letters, digits and `_ . / : = + , @ -`
//! is put in as it is; for any other the template must say where it stands: `{{ x | ks }}` is one word of a kickstart
//! command, `{{ x | sh }}` one word of a script, `{{ x | safe }}` the user's own responsibility.

mod lines;
mod missing;

use std::collections::BTreeMap;
use std::fmt;
use std::thread;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

pub use lines::Lines;

/// What a template may cost: a loop that goes on and on ends after some 30 ms, or 30 MB.
const FUEL: u64 = 500_000;

/// How deep a template may call itself.
const MAX_DEPTH: usize = 100;

/// Room for the deepest template, in bytes. Those who fetch kickstarts are served by threads with little.
const STACK: usize = 32 << 20;

/// The name under which the one template is known.
const NAME: &str = "kickstart";

/// Why a template gives no kickstart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The template's line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for TemplateError {}

/// A template that can be read.
pub struct Template {
    environment: Environment<'static>,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}

/// What a template knows: names, and values or names again below them.
#[derive(Clone, Debug, Default)]
pub struct Variables(BTreeMap<String, Value>);

impl Variables {
    /// Adds a text.
    pub fn set(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), Value::from(text));
    }

    /// Adds a text if there is one; else the name means nothing, and using it is an error.
    pub fn set_known(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.set(name, text);
        }
    }

    /// Adds names below a name.
    pub fn set_all(&mut self, name: &str, below: Self) {
        self.0.insert(name.to_owned(), below.into_value());
    }

    /// Whether a name means something, or one below a name, as `machine.name`.
    fn knows(&self, name: &str) -> bool {
        let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
        self.0.get(first).is_some_and(|value| {
            rest.is_none_or(|rest| value.get_attr(rest).is_ok_and(|below| !below.is_undefined()))
        })
    }

    fn into_value(self) -> Value {
        Value::from_object(Names(self.0))
    }
}

/// Names with their values, as templates see them.
#[derive(Debug)]
struct Names(BTreeMap<String, Value>);

impl minijinja::value::Object for Names {
    fn get_value(self: &std::sync::Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &std::sync::Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Values(self.0.keys().map(|name| Value::from(name.as_str())).collect())
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Where its own commands are wrong.
    pub fn parse(text: String) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        // Lines of only a command leave nothing behind, and the file's last line end stays, as with Ansible's templates.
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
        environment.set_syntax(syntax.build().map_err(|error| explain(&error))?);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Custom("kickstart".into()));
        environment.set_formatter(write_plain);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(MAX_DEPTH);
        environment.add_filter("ks", word_of_kickstart);
        environment.add_filter("sh", word_of_shell);
        with_room(|| environment.add_template_owned(NAME, text).map_err(|error| explain(&error)))?;
        Ok(Self { environment })
    }

    /// The kickstart for these variables.
    ///
    /// # Errors
    /// When one is missing, is not fit for where it stands, or the template does not come to an end.
    pub fn render(&self, variables: Variables) -> Result<String, TemplateError> {
        with_room(|| {
            let template = self.environment.get_template(NAME).map_err(|error| explain(&error))?;
            template.render(variables.clone().into_value()).map_err(|error| {
                let mut explained = explain(&error);
                if matches!(error.kind(), ErrorKind::UndefinedError)
                    && let Some(line) = explained.line
                {
                    let missing = missing::missing(template.source(), line, &variables);
                    let colon = if missing.is_empty() { "" } else { ": " };
                    explained.what += &format!("{colon}{}", missing.join(", "));
                }
                explained
            })
        })
    }
}

/// Does `work` on a thread of its own, with a large stack: values and calls may be nested deeply.
fn with_room<T: Send>(work: impl FnOnce() -> Result<T, TemplateError> + Send) -> Result<T, TemplateError> {
    let failed = |what: &str| TemplateError { line: None, what: what.to_owned() };
    thread::scope(|scope| {
        let room = thread::Builder::new().name("template".into()).stack_size(STACK);
        let thread = room.spawn_scoped(scope, work).map_err(|error| failed(&error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(failed("the template meets a fault of ours, a bug")))
    })
}

/// Writes a value that means the same wherever it stands.
fn write_plain(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let _ = state;
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let Some(text) = value.as_str() else {
        if value.is_number() || matches!(value.kind(), minijinja::value::ValueKind::Bool) {
            return write!(out, "{value}").map_err(|_| Error::from(ErrorKind::WriteFailure));
        }
        return Err(refused("it is no text and no number; loop over it, or take one of its parts".into()));
    };
    if !value.is_safe() {
        check_plain(text)?;
    }
    out.write_str(text).map_err(|_| Error::from(ErrorKind::WriteFailure))
}

fn check_plain(text: &str) -> Result<(), Error> {
    check_line(text)?;
    if text.starts_with('-') {
        return Err(refused(format!("\"{text}\" begins with - and could be an option")));
    }
    let is_plain = |c: char| c.is_alphanumeric() || "_./:=+,@-".contains(c);
    match text.chars().find(|c| !is_plain(*c)) {
        None => Ok(()),
        Some(c) => Err(refused(format!(
            "\"{text}\" has {c:?} in it, which may mean something there: write {{{{ ... | ks }}}} in a kickstart command, \
             {{{{ ... | sh }}}} in a script (and no quotes around either), or {{{{ ... | safe }}}} if it is meant to"
        ))),
    }
}

/// A line end in a value could begin a command, or end a script with `%end`.
fn check_line(text: &str) -> Result<(), Error> {
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(refused("the value has a line end or a control character in it".into()));
    }
    Ok(())
}

/// One word of a kickstart command, which pykickstart splits as a shell does (`shlex.split`).
fn word_of_kickstart(value: &Value) -> Result<Value, Error> {
    let text = text_of(value)?;
    if text.starts_with('-') {
        return Err(refused(format!("\"{text}\" begins with -, and would be an option quotes or not")));
    }
    Ok(Value::from_safe_string(quoted(&text)))
}

/// One word of a POSIX shell's command.
fn word_of_shell(value: &Value) -> Result<Value, Error> {
    Ok(Value::from_safe_string(quoted(&text_of(value)?)))
}

fn text_of(value: &Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    check_line(&text)?;
    Ok(text)
}

/// `text` in single quotes, within which nothing is read (POSIX shell §2.2.2).
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

fn explain(error: &Error) -> TemplateError {
    let detail = error.detail().map(str::to_owned);
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "it does not come to an end, or grows too large: look for a loop".to_owned(),
        ErrorKind::UndefinedError => detail.map_or_else(
            || "a variable that this machine does not have".to_owned(),
            |detail| format!("a variable that this machine does not have: {detail}"),
        ),
        ErrorKind::InvalidOperation => detail.unwrap_or_else(|| error.kind().to_string()),
        kind => detail.map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
    };
    TemplateError { line: error.line(), what }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
