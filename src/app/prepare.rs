//! What the user gave, read and understood before anything on this computer is touched: the image and the kickstart.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{Refusal, machines};
use crate::answer::answers::Answer;
use crate::answer::hooks::Dialect;
use crate::answer::{Answers, Circumstances, Kickstart, Source};
use crate::boot::Site;
use crate::config::Config;
use crate::content::Protocol;
use crate::content::catalog::{Catalog, Parts, Unpack};
use crate::image::{FileTree, ImageFile, IsoImage};
use crate::machine::{Machine, Policy, Registry};
use crate::media::embedded::{self, Embedded};
use crate::media::{BiosLoader, Loaders, UefiKind};
use crate::media::{Media, find_loaders, recognise};
use crate::net::clock;

/// Most machines without a kickstart that a refusal names.
const MAX_FAILURES: usize = 20;

/// An image that can be installed from, and the kickstart for it.
pub(super) struct Prepared {
    tree: Arc<dyn FileTree>,
    /// What is on the image.
    pub(super) media: Media,
    /// What of it can boot a machine.
    pub(super) loaders: Loaders,
    answers: Answers,
    /// What the user says about machines.
    pub(super) policy: Policy,
    /// What is odd about them; one sentence each.
    pub(super) warnings: Vec<String>,
}

impl Prepared {
    /// Reads the image and the kickstart that the configuration names.
    ///
    /// # Errors
    /// When one of them cannot be used, with the cause and what to do.
    pub(super) fn read(config: &Config) -> Result<Self, Refusal> {
        let (image, media) = open_image(&config.image)?;
        let policy = machines::policy(config)?;
        let own = machines::own_answers(&policy, config)?;
        let shared =
            config.kickstart.as_deref().map(|path| machines::read_answer("--ks", path)).transpose()?;
        let mut warnings: Vec<String> =
            image.warnings().iter().map(|warning| format!("{}: {warning}", config.image.display())).collect();
        let shared_path = config.kickstart.as_deref().map(|path| path.display().to_string());
        let named = own.iter().map(|(name, answer)| (name.clone(), answer));
        for (name, answer) in shared_path.zip(shared.as_ref()).into_iter().chain(named) {
            if let Answer::Plain(kickstart) = answer {
                warnings.extend(judge_source(kickstart, &name, &media)?);
            }
        }
        let answers = Answers::new(shared, own, config.has_hooks);
        let loaders = find_loaders(&image);
        Ok(Self { tree: Arc::new(image), media, loaders, answers, policy, warnings })
    }

    /// What is served in this run, from `server` and its HTTP port.
    pub(super) fn site(&self, server: Ipv4Addr, http_port: u16) -> Site {
        Site {
            server,
            http_port,
            image: short_name(&self.media),
            title: self.media.name.clone(),
            style: self.media.arguments,
            kernel: self.media.kernel.clone(),
            initrds: vec![self.media.initrd.clone()],
            grub_verb: self.media.grub_verb,
            has_packages: self.media.packages(),
        }
    }

    /// Fills in every template for every machine of the list, before anything is served.
    ///
    /// # Errors
    /// When there is no machine for which a kickstart can be made. Those that are left out are warned of, and held.
    pub(super) fn check_machines(&mut self, site: &Site) -> Result<(), Refusal> {
        let at = self.circumstances(site);
        let rows = self.policy.list.rows();
        let mut failures = Vec::new();
        for row in rows {
            let machine = Machine::example(row.clone(), self.policy.names.as_ref());
            if let Err(error) = self.answers.render(&machine, &at) {
                failures.push(format!("{} (line {} of the list): {error}", row.title(), row.line));
            }
        }
        if !failures.is_empty() && failures.len() == rows.len() {
            return Err(Refusal::new(format!(
                "no kickstart can be made for any machine of the list. Correct the template or the list, then start again\n  {}",
                failures.iter().take(MAX_FAILURES).cloned().collect::<Vec<_>>().join("\n  ")
            )));
        }
        self.warnings.extend(
            failures
                .into_iter()
                .map(|text| format!("no kickstart for {text}; it is held until that is corrected")),
        );
        Ok(())
    }

    fn circumstances(&self, site: &Site) -> Circumstances {
        Circumstances {
            server: site.server,
            http_port: site.http_port,
            root: site.url(Protocol::Http, ""),
            tree: site.tree_url(),
            image: site.image.clone(),
            title: site.title.clone(),
            version: self.media.version.clone(),
            dialect: Dialect::of(self.media.arguments, self.media.version.as_deref()),
        }
    }

    /// The table of everything that is served for `site`.
    pub(super) fn catalog(self, site: Site, machines: Arc<Mutex<Registry>>) -> Catalog {
        let circumstances = self.circumstances(&site);
        Catalog::new(Parts {
            site,
            second_stages: second_stages(self.tree.as_ref(), &self.loaders),
            tree: self.tree,
            stage2: self.media.stage2,
            bios: self.loaders.bios.map(unpack_bios),
            embedded: embedded::embedded()
                .iter()
                .map(|it| (it.name.to_owned(), unpack_embedded(it)))
                .collect(),
            answers: self.answers,
            circumstances,
            machines,
            started: clock::unix_seconds(),
        })
    }
}

fn open_image(path: &Path) -> Result<(IsoImage, Media), Refusal> {
    let shown = path.display();
    let file = ImageFile::open(path).map_err(|error| cannot_open("--iso", path, &error))?;
    let image = IsoImage::open(Arc::new(file)).map_err(|error| Refusal::new(format!("{shown} {error}")))?;
    let media =
        recognise(&image, image.volume_id()).map_err(|error| Refusal::new(format!("{shown}: {error}")))?;
    Ok((image, media))
}

/// Why a file that an option names cannot be read, and what to type.
pub(super) fn cannot_open(option: &str, path: &Path, error: &io::Error) -> Refusal {
    let shown = path.display();
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => {
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            format!("See what is there with \"ls -l {}\"", directory.unwrap_or(Path::new(".")).display())
        }
        io::ErrorKind::PermissionDenied => format!("See who may read it with \"ls -l {shown}\""),
        io::ErrorKind::InvalidInput => format!("See what it is with \"ls -l {shown}\""),
        io::ErrorKind::IsADirectory => format!("Name a file in it: {option} {}", path.join("FILE").display()),
        _ => format!("Try \"head -c 1 {shown}\": if that fails too, the disk or stick is at fault"),
    };
    Refusal::new(format!("{option} {shown}: {error}. {remedy}"))
}

/// Whether the kickstart and the image together say where the packages come from.
fn judge_source(kickstart: &Kickstart, shown: &str, media: &Media) -> Result<Option<String>, Refusal> {
    match kickstart.source() {
        Source::Own(_) => Ok(None),
        _ if !media.packages() => Err(Refusal::new(format!(
            "{shown} names no installation source that a machine booted from the network can reach, and {} has no \
             packages itself. Add a line to {shown}, such as\n\n    url --url=http://mirror.example.org/path/to/the/tree\n\n\
             or give the DVD image with --iso",
            media.name
        ))),
        Source::Missing => Ok(None),
        Source::Local { command, line } => Ok(Some(format!(
            "{shown}, line {line}: \"{command}\" cannot work on a machine booted from the network; machines get a \
             \"url\" line that points at this image instead"
        ))),
    }
}

/// The image's name in paths: short, because boot files have 128 bytes for everything.
fn short_name(media: &Media) -> String {
    let product = if media.product.starts_with("Fedora") { "f" } else { "el" };
    media.major().map_or_else(|| "image".to_owned(), |major| format!("{product}{major}"))
}

/// The EFI programs beside each loader, by their names in lower case.
fn second_stages(tree: &dyn FileTree, loaders: &Loaders) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for loader in loaders.uefi.iter().filter(|loader| loader.kind == UefiKind::Grub2) {
        for entry in tree.list(loader.directory.as_bytes()).unwrap_or_default() {
            let Ok(name) = String::from_utf8(entry.name) else { continue };
            let lower = name.to_ascii_lowercase();
            if lower.ends_with(".efi") {
                found.insert(lower, format!("{}/{name}", loader.directory));
            }
        }
    }
    found
}

fn unpack_bios(loader: BiosLoader) -> Unpack {
    Box::new(move || loader.extract().map_err(|error| error.to_string()))
}

fn unpack_embedded(loader: &'static Embedded) -> Unpack {
    Box::new(move || {
        let bytes = loader.unpack().map_err(|error| format!("{}: {error}", loader.name))?;
        Ok(BTreeMap::from([(loader.name.to_owned(), bytes.into())]))
    })
}
