//! What the user gave, read and understood before anything on this computer is touched: the image and the kickstart.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::custody::Ward;
use super::given::Given;
use super::verify::{Opened, Report, Task};
use super::{Refusal, complain};
use crate::answer::kickstart::MAX_LEN;
use crate::answer::{Kickstart, Source};
use crate::boot::Site;
use crate::boot::plan::KickstartFacts;
use crate::config::Config;
use crate::content::catalog::{Catalog, Parts, Unpack};
use crate::event::human_bytes;
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
    /// Loaders that the user gave.
    pub(super) given: Vec<Given>,
    /// What is odd about them; one sentence each.
    pub(super) warnings: Vec<String>,
    /// The media to be watched over.
    pub(super) wards: Vec<Ward>,
    /// Images that were not compared with their checksums yet.
    pub(super) unchecked: Vec<Opened>,
    /// What came of comparing the others.
    pub(super) reports: Vec<Report>,
}

impl Prepared {
    /// Reads the image and the kickstart that the configuration names.
    ///
    /// # Errors
    /// When one of them cannot be used, with the cause and what to do.
    pub(super) fn read(config: &Config) -> Result<Self, Refusal> {
        let (file, image, media) = open_image(&config.image)?;
        let kickstart = config.kickstart.as_deref().map(open_kickstart).transpose()?;
        let mut warnings: Vec<String> =
            image.warnings().iter().map(|warning| format!("{}: {warning}", config.image.display())).collect();
        if let (Some(kickstart), Some(path)) = (&kickstart, &config.kickstart) {
            warnings.extend(judge_source(kickstart, path, &media)?);
        }
        let given = config.loaders.iter().map(Given::read).collect::<Result<_, _>>()?;
        let loaders = find_loaders(&image);
        let ward = Ward::new(file.clone()).map_err(|error| cannot_open("--iso ", &config.image, &error))?;
        let tree = loaders.over(Arc::new(image));
        let (mut unchecked, mut reports) = (Vec::new(), Vec::new());
        match config.verify {
            true => reports.push(verify(file, tree.as_ref())?),
            false => unchecked.push((file, tree.clone())),
        }
        Ok(Self { tree, media, loaders, kickstart, given, warnings, wards: vec![ward], unchecked, reports })
    }

    /// What is served in this run, from `server` and its HTTP port.
    pub(super) fn site(&self, server: Ipv4Addr, http_port: u16) -> Site {
        let own_source = |kickstart: &Kickstart| matches!(kickstart.source(), Source::Own(_));
        Site {
            server,
            http_port,
            image: short_name(&self.media),
            title: self.media.name.clone(),
            arch: self.media.arch.clone(),
            arguments: self.media.arguments().to_owned(),
            kernel: self.media.kernel().to_owned(),
            initrds: self.media.initrds().to_vec(),
            grub_verb: self.media.grub_verb,
            has_packages: self.media.packages(),
            kickstart: self.kickstart.as_ref().map(|it| KickstartFacts { own_source: own_source(it) }),
        }
    }

    /// The table of everything that is served for `site`.
    pub(super) fn catalog(self, site: Site, machines: Arc<Mutex<Registry>>) -> Catalog {
        let (pxelinux, given): (Vec<_>, Vec<_>) = self.given.into_iter().partition(Given::is_pxelinux);
        let pxelinux = pxelinux.into_iter().next().map(|given| unpacked(given.files));
        let built_in = embedded::embedded().iter().map(|it| (it.name.to_owned(), unpack_embedded(it)));
        let given = given.into_iter().flat_map(|it| it.files).map(|(name, bytes)| {
            let files = BTreeMap::from([(name.clone(), bytes)]);
            (name, unpacked(files))
        });
        Catalog::new(Parts {
            site,
            second_stages: second_stages(self.tree.as_ref(), &self.loaders),
            tree: self.tree,
            stage2: self.media.stage2,
            bios: pxelinux.or_else(|| self.loaders.bios.map(unpack_bios)),
            // The user's come last: of two files of one name theirs is served.
            embedded: built_in.chain(given).collect(),
            kickstart: self.kickstart,
            machines,
            started: clock::unix_seconds(),
        })
    }
}

fn open_image(path: &Path) -> Result<(Arc<ImageFile>, IsoImage, Media), Refusal> {
    let shown = path.display();
    let file = ImageFile::open(path).map_err(|error| cannot_open("--iso ", path, &error))?;
    let file = Arc::new(file);
    let image = IsoImage::open(file.clone()).map_err(|error| Refusal::new(format!("{shown} {error}")))?;
    let media =
        recognise(&image, image.volume_id()).map_err(|error| Refusal::new(format!("{shown}: {error}")))?;
    Ok((file, image, media))
}

/// Compares an image with its own checksums, before anything else is done with it.
fn verify(file: Arc<ImageFile>, tree: &dyn FileTree) -> Result<Report, Refusal> {
    let shown = file.path().display().to_string();
    let task = Task::new(file, tree);
    if task.total() > 0 {
        complain(&format!("comparing {shown} with its own checksums, {} of it", human_bytes(task.total())));
    }
    match task.run(None) {
        Some(report) if report.is_sound() => Ok(report),
        Some(report) => Err(Refusal::new(format!("{shown} {}", report.sentence()))),
        None => Err(Refusal::new(format!("{shown} was not checked"))),
    }
}

fn open_kickstart(path: &Path) -> Result<Kickstart, Refusal> {
    let mut text = Vec::new();
    // One byte more than a kickstart may have tells that it is too long, whatever it is (a disk, /dev/zero).
    let limit = u64::try_from(MAX_LEN).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut text))
        .map_err(|error| cannot_open("--ks ", path, &error))?;
    Kickstart::parse(text).map_err(|error| {
        Refusal::new(format!(
            "{}: not a kickstart: {error}. Name another file with --ks, or leave --ks out and let the installer ask",
            path.display()
        ))
    })
}

/// Why a file that an option names cannot be opened; the option is given up to its path.
pub(super) fn cannot_open(option: &str, path: &Path, error: &io::Error) -> Refusal {
    let shown = path.display();
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => {
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            format!("See what is there with \"ls -l {}\"", directory.unwrap_or(Path::new(".")).display())
        }
        io::ErrorKind::PermissionDenied => format!("See who may read it with \"ls -l {shown}\""),
        io::ErrorKind::InvalidInput => format!("See what it is with \"ls -l {shown}\""),
        io::ErrorKind::IsADirectory => format!("Name a file in it: {option}{}", path.join("FILE").display()),
        _ => format!("Try \"head -c 1 {shown}\": if that fails too, the disk or stick is at fault"),
    };
    Refusal::new(format!("{option}{shown}: {error}. {remedy}"))
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

fn unpacked(files: BTreeMap<String, Arc<[u8]>>) -> Unpack {
    Box::new(move || Ok(files.clone()))
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
