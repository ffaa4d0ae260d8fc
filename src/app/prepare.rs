//! What the user gave, read and understood before anything on this computer is touched: the image and the kickstart.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{Refusal, ks};
use crate::answer::check::{Against, check};
use crate::answer::finding::Severity;
use crate::answer::kickstart::MAX_LEN;
use crate::answer::write::{Sources, write};
use crate::answer::{Kickstart, Profile, Release, Source};
use crate::boot::Site;
use crate::boot::plan::KickstartFacts;
use crate::config::{Config, Written};
use crate::content::catalog::{Catalog, Parts, Unpack};
use crate::image::{FileTree, ImageFile, IsoImage};
use crate::machine::Registry;
use crate::media::embedded::{self, Embedded};
use crate::media::{BiosLoader, Loaders, UefiKind};
use crate::media::{Media, find_loaders, recognise};
use crate::net::clock;

/// An image that can be installed from, and the kickstart for it.
pub(super) struct Prepared {
    tree: Arc<dyn FileTree>,
    /// What is on the image.
    pub(super) media: Media,
    /// What of it can boot a machine.
    pub(super) loaders: Loaders,
    kickstart: Option<Kickstart>,
    /// What a kickstart is written from, when none is given.
    written: Option<WrittenFrom>,
    /// What is odd about them; one sentence each.
    pub(super) warnings: Vec<String>,
}

/// What a kickstart is written from: the address in it is known later.
struct WrittenFrom {
    profile: Profile,
    release: Release,
    mirror: Option<String>,
}

impl WrittenFrom {
    fn text(&self, tree: &str, repositories: &[String]) -> Result<String, Refusal> {
        let sources = match &self.mirror {
            Some(mirror) => Sources { tree: Some(mirror.clone()), repos: Vec::new() },
            None => Sources::of_tree(tree, repositories),
        };
        write(&self.profile, self.release, &sources).map_err(Refusal::new)
    }
}

impl Prepared {
    /// Reads the image and the kickstart that the configuration names.
    ///
    /// # Errors
    /// When one of them cannot be used, with the cause and what to do.
    pub(super) fn read(config: &Config) -> Result<Self, Refusal> {
        let (image, media) = open_image(&config.image)?;
        let kickstart = config.kickstart.as_deref().map(open_kickstart).transpose()?;
        let mut warnings: Vec<String> =
            image.warnings().iter().map(|warning| format!("{}: {warning}", config.image.display())).collect();
        if let (Some(kickstart), Some(path)) = (&kickstart, &config.kickstart) {
            warnings.extend(judge_source(kickstart, path, &media)?);
            warnings.extend(judge(kickstart, path, config, &image, &media)?);
        }
        let written = config.written.as_ref();
        let written = written.map(|written| write_from(written, config, &image, &media)).transpose()?;
        let loaders = find_loaders(&image);
        Ok(Self { tree: Arc::new(image), media, loaders, kickstart, written, warnings })
    }

    /// What is served in this run, from `server` and its HTTP port.
    pub(super) fn site(&self, server: Ipv4Addr, http_port: u16) -> Site {
        let own_source = |kickstart: &Kickstart| matches!(kickstart.source(), Source::Own(_));
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
            kickstart: match (&self.kickstart, &self.written) {
                (Some(kickstart), _) => Some(KickstartFacts { own_source: own_source(kickstart) }),
                (None, written) => written.as_ref().map(|_| KickstartFacts { own_source: true }),
            },
        }
    }

    /// The table of everything that is served for `site`.
    pub(super) fn catalog(self, site: Site, machines: Arc<Mutex<Registry>>) -> Catalog {
        // It was written once before, to see that it can be.
        let written = self.written.as_ref().and_then(|written| {
            let text = written.text(&site.tree_url(), &self.media.repositories).ok()?;
            Kickstart::parse(text.into_bytes()).ok()
        });
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
            kickstart: self.kickstart.or(written),
            machines,
            started: clock::unix_seconds(),
        })
    }
}

pub(super) fn open_image(path: &Path) -> Result<(IsoImage, Media), Refusal> {
    let shown = path.display();
    let file = ImageFile::open(path).map_err(|error| cannot_open("--iso", path, &error))?;
    let image = IsoImage::open(Arc::new(file)).map_err(|error| Refusal::new(format!("{shown} {error}")))?;
    let media =
        recognise(&image, image.volume_id()).map_err(|error| Refusal::new(format!("{shown}: {error}")))?;
    Ok((image, media))
}

fn open_kickstart(path: &Path) -> Result<Kickstart, Refusal> {
    let mut text = Vec::new();
    // One byte more than a kickstart may have tells that it is too long, whatever it is (a disk, /dev/zero).
    let limit = u64::try_from(MAX_LEN).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut text))
        .map_err(|error| cannot_open("--ks", path, &error))?;
    Kickstart::parse(text).map_err(|error| {
        Refusal::new(format!(
            "{}: not a kickstart: {error}. Name another file with --ks, or leave --ks out and let the installer ask",
            path.display()
        ))
    })
}

fn cannot_open(option: &str, path: &Path, error: &io::Error) -> Refusal {
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

/// What the installer on the image will make of the kickstart. Errors stop the start, unless that is forced.
fn judge(
    kickstart: &Kickstart,
    path: &Path,
    config: &Config,
    image: &IsoImage,
    media: &Media,
) -> Result<Option<String>, Refusal> {
    let Some(release) = Release::of(media) else { return Ok(None) };
    let repository = ks::repository(image, media, kickstart.text(), release)?;
    let report = check(kickstart.text(), Against { release, repository: repository.as_ref() });
    let shown = path.display().to_string();
    let more = format!("pxego ks --check {shown} --iso {}", config.image.display());
    let errors = report.count(Severity::Error);
    if errors == 0 {
        return Ok(None);
    }
    if config.force {
        return Ok(Some(format!(
            "{shown} has {errors} errors at which the installer of {} stops; served because of --force. See them with \
             \"{more}\"",
            media.name
        )));
    }
    let mut listed = report.clone();
    listed.findings.retain(|finding| finding.severity == Severity::Error);
    Err(Refusal::new(format!(
        "the installer of {} would stop at this kickstart:\n{}Mend it and see what is left with\n\n    {more}\n\n\
         or serve it as it is with --force",
        media.name,
        ks::for_people(&shown, &listed, false)
    )))
}

/// What a kickstart for this image is written from. It is written once already, to see that it can be.
fn write_from(
    written: &Written,
    config: &Config,
    image: &IsoImage,
    media: &Media,
) -> Result<WrittenFrom, Refusal> {
    let release = Release::of(media).ok_or_else(|| {
        Refusal::new(format!(
            "{} does not say its release, so no kickstart can be written for it. Write one with\n\n    \
             pxego ks --release EL9 --iso {} >ks.cfg\n\nand give it with --ks ks.cfg",
            media.name,
            config.image.display()
        ))
    })?;
    if written.mirror.is_none() && !media.packages() {
        return Err(Refusal::new(format!(
            "{} has no packages. Say where they are, such as --mirror http://mirror.example.org/path/to/the/tree, or give \
             the DVD image with --iso",
            media.name
        )));
    }
    let mut profile = ks::of_file(written.profile.as_deref()).map_err(Refusal::wrong_use)?;
    if let Some(wipe) = &written.wipe {
        profile.disk.wipe = Some(wipe.clone());
    }
    ks::make_passwords(&mut profile)?;
    let mirror = written.mirror.as_ref().map(|url| ks::mirror(url.as_str())).transpose()?;
    let from = WrittenFrom { profile, release, mirror };
    // Without sources, so that what the image does not have is an error.
    let text = write(&from.profile, release, &Sources::default()).map_err(Refusal::new)?;
    if from.mirror.is_none() {
        ks::refuse_missing(&text, release, image, media)?;
    }
    Ok(from)
}

/// Whether the kickstart and the image together say where the packages come from.
fn judge_source(kickstart: &Kickstart, path: &Path, media: &Media) -> Result<Option<String>, Refusal> {
    let shown = path.display();
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
