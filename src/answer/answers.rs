//! Which machine gets which kickstart: the one that all get, or one of its own; filled in where it is a template; with the
//! hooks.

use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;

use super::filling::{FilledIn, fill_in};
use super::finding::{Finding, Severity};
use super::foreign;
use super::hooks::{self, Dialect};
use super::kickstart::{Kickstart, Source};
use super::storage;
use super::template::{Template, TemplateError};
use crate::machine::Machine;

/// A kickstart as the user gave it.
#[derive(Debug)]
pub enum Answer {
    /// The same for every machine.
    Plain(Kickstart),
    /// A template (`*.j2`).
    Template {
        /// The file's name, for who reads errors.
        file: String,
        /// What is in it.
        template: Box<Template>,
    },
}

/// The kind of finding that says why a machine gets no kickstart.
pub const FAULT: &str = "no-kickstart";

/// Why a machine gets no kickstart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerError {
    /// The file.
    pub file: String,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// The reason.
    pub what: String,
}

impl AnswerError {
    /// The same as what a check finds: the installer gets nothing.
    pub fn finding(&self) -> Finding {
        match self.line {
            Some(line) => Finding::at(Severity::Error, line, 1, FAULT, self.what.clone()),
            None => Finding::whole(Severity::Error, FAULT, self.what.clone()),
        }
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}: {}", self.file, self.what),
            None => write!(f, "{}, {}", self.file, self.what),
        }
    }
}

impl std::error::Error for AnswerError {}

/// What a kickstart must know of this run.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Our address.
    pub server: Ipv4Addr,
    /// The port of our HTTP server.
    pub http_port: u16,
    /// The URL of our root, with a slash at its end.
    pub root: String,
    /// URL of the install tree, without a slash at its end.
    pub tree: String,
    /// The image's short name.
    pub image: String,
    /// What it installs, as people name it.
    pub title: String,
    /// Its version, as far as it is known.
    pub version: Option<String>,
    /// What the hooks must know of the release; nothing where its installer reads no kickstart but a file of another kind,
    /// into which nothing is put.
    pub dialect: Option<Dialect>,
}

/// All kickstarts of this run.
#[derive(Debug, Default)]
pub struct Answers {
    shared: Option<Answer>,
    /// Those of single machines, by what stands in the list's column `ks`.
    own: HashMap<String, Answer>,
    /// Those that we wrote, by the image they are for.
    written: HashMap<String, Answer>,
    has_hooks: bool,
}

impl Answer {
    /// Reads the kickstart in a file of this name.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn parse(file: &str, bytes: Vec<u8>) -> Result<Self, AnswerError> {
        let error = |what: String| AnswerError { file: file.to_owned(), line: None, what };
        if !file.ends_with(".j2") {
            return Kickstart::parse(bytes)
                .map(Self::Plain)
                .map_err(|what| error(format!("not a kickstart: {what}")));
        }
        // A template is at least as much of a kickstart as that.
        if let Err(what) = Kickstart::parse(bytes.clone()) {
            return Err(error(format!("not a kickstart: {what}")));
        }
        let text = String::from_utf8(bytes).map_err(|_| error("not UTF-8 text".into()))?;
        let template = Template::parse(text)
            .map_err(|TemplateError { line, what }| AnswerError { line, ..error(what) })?;
        Ok(Self::Template { file: file.to_owned(), template: Box::new(template) })
    }
}

impl Answers {
    /// `shared` for every machine that has none of its own in `own`.
    pub fn new(shared: Option<Answer>, own: HashMap<String, Answer>, has_hooks: bool) -> Self {
        Self { shared, own, written: HashMap::new(), has_hooks }
    }

    /// Gives the machines that install `image` this one, where they have none.
    pub fn add_written(&mut self, image: String, kickstart: Kickstart) {
        self.written.insert(image, Answer::Plain(kickstart));
    }

    /// Whether any machine gets a kickstart.
    pub fn is_empty(&self) -> bool {
        self.shared.is_none() && self.own.is_empty() && self.written.is_empty()
    }

    /// Whether some machine's kickstart differs from another's.
    pub fn differ(&self) -> bool {
        !self.own.is_empty() || matches!(self.shared, Some(Answer::Template { .. }))
    }

    /// Whether a machine's kickstart names its own installation source; nothing when it gets none.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn own_source(&self, machine: &Machine, at: &Circumstances) -> Result<Option<bool>, AnswerError> {
        let is_own = |kickstart: &Kickstart| match at.dialect {
            None => foreign::names_source(kickstart.text()),
            Some(_) => matches!(kickstart.source(), Source::Own(_)),
        };
        match self.of(machine, at) {
            None => Ok(None),
            Some(Answer::Plain(kickstart)) => Ok(Some(is_own(kickstart))),
            Some(Answer::Template { file, template }) => {
                fill_in(file, template, machine, at).map(|kickstart| Some(is_own(&kickstart)))
            }
        }
    }

    /// What comes of a template for a machine, before anything is put in; nothing when the machine's kickstart is none.
    ///
    /// # Errors
    /// When it cannot be filled in.
    pub fn filled_in<'a>(
        &'a self,
        machine: &'a Machine,
        at: &'a Circumstances,
    ) -> Result<Option<FilledIn<'a>>, AnswerError> {
        match self.of(machine, at) {
            Some(Answer::Template { file, template }) => FilledIn::new(file, template, machine, at).map(Some),
            Some(Answer::Plain(_)) | None => Ok(None),
        }
    }

    /// A machine's kickstart; nothing when it gets none, and the installer asks.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn render(&self, machine: &Machine, at: &Circumstances) -> Result<Option<Vec<u8>>, AnswerError> {
        let filled_in;
        let kickstart = match self.of(machine, at) {
            None => return Ok(None),
            Some(Answer::Plain(kickstart)) => kickstart,
            Some(Answer::Template { file, template }) => {
                filled_in = fill_in(file, template, machine, at)?;
                &filled_in
            }
        };
        let Some(dialect) = at.dialect else { return Ok(Some(kickstart.text().to_vec())) };
        let text = kickstart.render(&at.tree).into_owned();
        let url = format!("{}hook/{}", at.root, machine.token);
        if !self.has_hooks {
            return Ok(Some(text));
        }
        // Of one that we wrote, the script that refuses disks tells why.
        let text = storage::with_report_url(&text, &format!("{url}/failed"));
        Ok(Some(hooks::insert(&text, dialect, &url).unwrap_or(text)))
    }

    fn of(&self, machine: &Machine, at: &Circumstances) -> Option<&Answer> {
        let own = machine.listed.as_ref().and_then(|row| self.own.get(row.ks.as_ref()?));
        own.or(self.shared.as_ref()).or_else(|| self.written.get(&at.image))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::machine::{MachineList, Policy, Registry};
    use crate::wire::MacAddr;

    /// What a kickstart of an EL9 knows.
    pub(crate) fn circumstances() -> Circumstances {
        Circumstances {
            server: Ipv4Addr::new(192, 168, 100, 1),
            http_port: 80,
            root: "http://192.168.100.1/".into(),
            tree: "http://192.168.100.1/t/el9".into(),
            image: "el9".into(),
            title: "Rocky Linux 9.6".into(),
            version: Some("9.6".into()),
            dialect: Some(Dialect::of("el8plus", "Rocky Linux", Some("9.6"))),
        }
    }

    fn machines() -> Registry {
        let list = "mac,name,ip,ks,disk\n52:54:00:00:00:01,node01,192.168.100.21,,sda\n\
                    52:54:00:00:00:02,node02,,own.cfg,nvme0n1\n52:54:00:00:00:03,node03,,,a b\n";
        let list = MachineList::parse(list.as_bytes()).expect("a list");
        let mut next = 0;
        let random = move || {
            next += 1;
            next
        };
        Registry::new(random).with(Policy { list, ..Policy::default() }, Vec::new())
    }

    fn answer(file: &str, text: &str) -> Answer {
        Answer::parse(file, text.into()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn text(answers: &Answers, last: u8) -> Result<String, String> {
        let mut machines = machines();
        let machine = machines.seen(MacAddr([0x52, 0x54, 0, 0, 0, last]), 0);
        let rendered = answers.render(machine, &circumstances()).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(rendered.unwrap_or_default()).expect("text"))
    }

    #[test]
    fn each_machine_gets_its_own() {
        let template = "network --hostname={{ name }} --ip={{ machine.ip }}\nignoredisk --only-use={{ disk }}\n\
                        url --url={{ image.url }}\nlogging --host={{ server.ip }}\n# {{ image.title | ks }}\n";
        let own = HashMap::from([("own.cfg".to_owned(), answer("own.cfg", "url --url=http://x/\ntext\n"))]);
        let answers = Answers::new(Some(answer("ks.cfg.j2", template)), own, false);
        assert_eq!(
            text(&answers, 1).as_deref(),
            Ok("network --hostname=node01 --ip=192.168.100.21\nignoredisk --only-use=sda\n\
                url --url=http://192.168.100.1/t/el9\nlogging --host=192.168.100.1\n# 'Rocky Linux 9.6'\n")
        );
        assert_eq!(text(&answers, 2).as_deref(), Ok("url --url=http://x/\ntext\n"));
        let error = text(&answers, 3).expect_err("has no address and an odd disk");
        assert!(error.starts_with("ks.cfg.j2, line 1: a variable"), "{error}");
        let error = text(&answers, 9).expect_err("is not listed");
        assert!(error.contains("ks.cfg.j2, line 1"), "{error}");
    }

    #[test]
    fn hooks_report_to_the_machines_own_url_and_can_be_left_out() {
        let plain = || Some(answer("ks.cfg", "url --url=http://x/\ntext\n"));
        let bare = Answers::new(plain(), HashMap::new(), false);
        assert_eq!(text(&bare, 1).as_deref(), Ok("url --url=http://x/\ntext\n"), "byte for byte");
        let with = text(&Answers::new(plain(), HashMap::new(), true), 1).expect("a kickstart");
        assert!(with.starts_with("url --url=http://x/\ntext\n%post --nochroot\n"), "{with}");
        assert!(with.contains(&format!("http://192.168.100.1/hook/{:032x}/$2", 1)), "{with}");
    }

    #[test]
    fn a_file_for_another_installer_is_served_as_it_is() {
        let answers = Answers::new(Some(answer("user-data", "#cloud-config\nx: y\n")), HashMap::new(), true);
        let mut machines = machines();
        let machine = machines.seen(MacAddr([0x52, 0x54, 0, 0, 0, 1]), 0);
        let at = Circumstances { dialect: None, ..circumstances() };
        assert_eq!(answers.render(machine, &at), Ok(Some(b"#cloud-config\nx: y\n".to_vec())));
        assert_eq!(answers.own_source(machine, &at), Ok(Some(true)), "nobody looks for one in it");
    }

    #[test]
    fn what_cannot_be_a_kickstart_is_refused_with_its_file() {
        for (file, bytes, what) in [
            ("ks.cfg", &b""[..], "no commands"),
            ("ks.j2", b"a\n{% if x %}\n", "line "),
            ("ks.j2", b"\xff\xfea", "UTF-8"),
        ] {
            let error = Answer::parse(file, bytes.to_vec()).expect_err(file).to_string();
            assert!(error.starts_with(file) && error.contains(what), "{error}");
        }
    }
}
