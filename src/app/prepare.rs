//! What the user gave, read and understood before anything on this computer is touched: the images and the kickstart.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use super::custody::Ward;
use super::given::Given;
use super::images::{Image, Images};
use super::offer::Programs;
use super::verify::{Opened, Report, Task};
use super::{Refusal, complain, ks};
use crate::answer::check::{Against, check};
use crate::answer::finding::Severity;
use crate::answer::kickstart::MAX_LEN;
use crate::answer::write::{Sources, write};
use crate::answer::{Kickstart, Profile, Release, Source, foreign};
use crate::boot::Site;
use crate::boot::site::{self, KickstartFacts, MenuWish, Packages};
use crate::config::Config;
use crate::content::catalog::{Catalog, Parts, Tree, Unpack};
use crate::event::human_bytes;
use crate::image::FileTree;
use crate::machine::Registry;
use crate::media::embedded::{self, Embedded};
use crate::media::{AnswerKind, BiosLoader, Loaders, UefiKind};
use crate::net::clock;

/// Images that machines can be booted from, and the kickstart for them.
pub(super) struct Prepared {
    images: Vec<Prepare>,
    menu: MenuWish,
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

/// An image, and the kickstart of who installs it.
struct Prepare {
    image: Image,
    kickstart: Option<Kickstart>,
    /// What a kickstart is written from, when none is given.
    written: Option<Written>,
}

/// What a kickstart is written from: the address in it is known later.
struct Written {
    profile: Profile,
    release: Release,
}

impl Written {
    /// The kickstart for an image whose tree is at `tree`. The line that says where packages come from is put in as into
    /// any other.
    fn kickstart(&self, image: &Image, tree: &str) -> Option<Kickstart> {
        let own = if image.packages == Packages::Own { &image.media.repositories[..] } else { &[] };
        let sources = Sources { tree: None, ..Sources::of_tree(tree, own) };
        // It was written once before, to see that it can be.
        let text = write(&self.profile, self.release, &sources).ok()?;
        Kickstart::parse(text.into_bytes()).ok()
    }
}

impl Prepared {
    /// Reads the images and the kickstart that the configuration names.
    ///
    /// # Errors
    /// When one of them cannot be used, with the cause and what to do.
    pub(super) fn read(config: &Config) -> Result<Self, Refusal> {
        let Images { images, mut warnings, wards, unchecked } = Images::open(config)?;
        let given = config.loaders.iter().map(Given::read).collect::<Result<_, _>>()?;
        let kickstart =
            config.kickstart.as_deref().map(|path| Ok((path, open_kickstart(path)?))).transpose()?;
        let profile = profile(config)?;
        let is_only = images.len() == 1;
        let mut prepared = Vec::new();
        for image in images {
            let mut own = None;
            if let Some((path, answer)) = kickstart.as_ref().filter(|_| is_foreign(&image)) {
                match foreign(answer, path, &image) {
                    Ok(answer) => own = Some(answer),
                    Err(refusal) if !is_only => warnings.push(refusal.to_string()),
                    Err(refusal) => return Err(refusal),
                }
            }
            if let Some((path, kickstart)) = kickstart.as_ref().filter(|_| takes_kickstart(&image)) {
                let judged = judge_source(kickstart, path, &image)
                    .and_then(|warning| Ok((warning, judge(kickstart, path, config, &image)?)));
                match judged {
                    Ok((source, errors)) => {
                        own = Some(kickstart.clone());
                        warnings.extend(source.into_iter().chain(errors));
                    }
                    // The others can be installed with it.
                    Err(refusal) if !is_only => {
                        warnings.push(format!("machines get no kickstart for {}: {refusal}", image.id))
                    }
                    Err(refusal) => return Err(refusal),
                }
            }
            let mut written = None;
            if let Some(profile) = profile.as_ref().filter(|_| takes_kickstart(&image)) {
                match write_from(profile, &image) {
                    Ok(from) => written = Some(from),
                    Err(refusal) if !is_only => {
                        warnings.push(format!("machines get no kickstart for {}: {refusal}", image.id))
                    }
                    Err(refusal) => return Err(refusal),
                }
            }
            prepared.push(Prepare { image, kickstart: own, written });
        }
        if let Some((path, _)) = &kickstart
            && prepared.iter().all(|it| it.kickstart.is_none())
        {
            warnings.push(format!("{} is given to nobody: no image takes it", path.display()));
        }
        warnings.dedup();
        let (reports, unchecked) = match config.verify {
            true => (unchecked.into_iter().map(verify).collect::<Result<_, _>>()?, Vec::new()),
            false => (Vec::new(), unchecked),
        };
        let menu = config.menu.clone();
        Ok(Self { images: prepared, menu, given, warnings, wards, unchecked, reports })
    }

    /// The images with their loaders.
    pub(super) fn images(&self) -> impl Iterator<Item = &Image> {
        self.images.iter().map(|it| &it.image)
    }

    /// What is served in this run, from `server` and its HTTP port.
    ///
    /// # Errors
    /// When the menu is to start something by itself that is not in it.
    pub(super) fn site(&self, server: Ipv4Addr, http_port: u16) -> Result<Site, Refusal> {
        let images = self.images.iter().map(Prepare::describe).collect();
        let loader = Programs::latest(self.images()).map(|image| image.id.clone());
        let site = Site { server, http_port, images, loader, wish: self.menu.clone() };
        if let Some(wish) = site.wish.default.as_ref().filter(|wish| site.entry_label(wish).is_none()) {
            let ids = site.images.iter().map(|image| image.id.to_string());
            let mut known: Vec<String> = ids.chain(site.labels()).collect();
            known.sort();
            known.dedup();
            return Err(Refusal::wrong_use(format!(
                "--default {wish}: nothing is called so. Take one of: {}",
                known.join(", ")
            )));
        }
        Ok(site)
    }

    /// The table of everything that is served for `site`.
    pub(super) fn catalog(self, site: Site, machines: Arc<Mutex<Registry>>) -> Catalog {
        let mut bios: Vec<(u64, BiosLoader)> = Vec::new();
        let mut trees = Vec::new();
        for Prepare { image, kickstart, written } in self.images {
            let tree = site.tree_url(&image.id);
            let kickstart = kickstart.or_else(|| written?.kickstart(&image, &tree));
            trees.push(Tree {
                second_stages: second_stages(image.files.as_ref(), &image.loaders),
                files: image.files,
                whole: image.whole,
                stage2: image.media.stage2,
                kickstart,
            });
            bios.extend(image.loaders.bios.map(|loader| (image.age, loader)));
        }
        // That of the latest image; of several equal ones the first.
        bios.sort_by_key(|(age, _)| Reverse(*age));
        let bios: Vec<BiosLoader> = bios.into_iter().map(|(_, loader)| loader).collect();
        let bios = (!bios.is_empty()).then(|| unpack_bios(bios));
        let (pxelinux, given): (Vec<_>, Vec<_>) = self.given.into_iter().partition(Given::is_pxelinux);
        let pxelinux = pxelinux.into_iter().next().map(|given| unpacked(given.files));
        let built_in = embedded::embedded().iter().map(|it| (it.name.to_owned(), unpack_embedded(it)));
        let given = given.into_iter().flat_map(|it| it.files).map(|(name, bytes)| {
            let files = BTreeMap::from([(name.clone(), bytes)]);
            (name, unpacked(files))
        });
        Catalog::new(Parts {
            site,
            trees,
            bios: pxelinux.or(bios),
            // The user's come last: of two files of one name theirs is served.
            embedded: built_in.chain(given).collect(),
            machines,
            started: clock::unix_seconds(),
        })
    }
}

/// Compares an image with its own checksums, before anything else is done with it.
fn verify((file, tree): Opened) -> Result<Report, Refusal> {
    let shown = file.path().display().to_string();
    let task = Task::new(file, tree.as_ref());
    if task.total() > 0 {
        complain(&format!("comparing {shown} with its own checksums, {} of it", human_bytes(task.total())));
    }
    match task.run(None) {
        Some(report) if report.is_sound() => Ok(report),
        Some(report) => Err(Refusal::new(format!("{shown} {}", report.sentence()))),
        None => Err(Refusal::new(format!("{shown} was not checked"))),
    }
}

impl Prepare {
    fn describe(&self) -> site::Image {
        let Image { id, media, loaders, packages, .. } = &self.image;
        let own_source = |kickstart: &Kickstart| matches!(kickstart.source(), Source::Own(_));
        let uefi = loaders.uefi.iter().filter(|loader| loader.kind == UefiKind::Grub2);
        site::Image {
            id: id.clone(),
            title: media.name.clone(),
            arch: media.arch.clone(),
            entries: media.entries.clone(),
            menu: media.menu.clone(),
            grub_verb: media.grub_verb,
            uefi_programs: uefi.map(|loader| loader.first().to_owned()).collect(),
            runs_on: self.image.runs_on(),
            packages: packages.clone(),
            kickstart: match &self.kickstart {
                Some(kickstart) => Some(KickstartFacts { own_source: own_source(kickstart) }),
                None => self.written.as_ref().map(|_| KickstartFacts { own_source: false }),
            },
        }
    }
}

/// Whether it takes an answer file that is no kickstart.
fn is_foreign(image: &Image) -> bool {
    !matches!(image.media.answer, AnswerKind::Kickstart | AnswerKind::None)
}

/// The answer file for an image whose installer is not anaconda.
fn foreign(answer: &Kickstart, path: &Path, image: &Image) -> Result<Kickstart, Refusal> {
    let kind = image.media.answer;
    if foreign::is_of_kind(answer.text(), kind) {
        return Ok(answer.verbatim());
    }
    Err(Refusal::new(format!(
        "{}: {} reads no such file, but {} {}. Name one with --ks, or leave --ks out",
        path.display(),
        image.media.name,
        if foreign::name(kind).starts_with(['A', 'I', 'a']) { "an" } else { "a" },
        foreign::name(kind)
    )))
}

fn takes_kickstart(image: &Image) -> bool {
    image.media.answer == AnswerKind::Kickstart
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

/// The profile that kickstarts are written from; its passwords are made here, one for all images.
fn profile(config: &Config) -> Result<Option<Profile>, Refusal> {
    let Some(written) = &config.written else { return Ok(None) };
    let mut profile = ks::of_file(written.profile.as_deref()).map_err(Refusal::wrong_use)?;
    if let Some(wipe) = &written.wipe {
        profile.disk.wipe = Some(wipe.clone());
    }
    ks::make_passwords(&mut profile)?;
    Ok(Some(profile))
}

/// What the installer on the image will make of the kickstart. Errors stop the start, unless that is forced.
fn judge(
    kickstart: &Kickstart,
    path: &Path,
    config: &Config,
    image: &Image,
) -> Result<Option<String>, Refusal> {
    let media = &image.media;
    let Some(release) = Release::of(media) else { return Ok(None) };
    let repository = ks::repository(image, kickstart.text(), release)?;
    let report = check(kickstart.text(), Against { release, repository: repository.as_ref() });
    let shown = path.display().to_string();
    let more = format!("pxego ks --check {shown} --iso {}", image.path.display());
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
fn write_from(profile: &Profile, image: &Image) -> Result<Written, Refusal> {
    let media = &image.media;
    let release = Release::of(media).ok_or_else(|| {
        Refusal::new(format!(
            "{} does not say its release, so no kickstart can be written for it. Write one with\n\n    \
             pxego ks --release EL9 >ks.cfg\n\nand give it with --ks ks.cfg",
            media.name
        ))
    })?;
    if image.packages == Packages::Unknown {
        return Err(Refusal::new(format!(
            "{} has no packages. Say where they are, such as --mirror http://mirror.example.org/path/to/the/tree, or give \
             the DVD image of the same release with another --iso",
            media.name
        )));
    }
    let text = write(profile, release, &Sources::default()).map_err(Refusal::new)?;
    if image.packages == Packages::Own {
        ks::refuse_missing(&text, release, image)?;
    }
    Ok(Written { profile: profile.clone(), release })
}

/// Whether the kickstart and the image together say where the packages come from.
fn judge_source(kickstart: &Kickstart, path: &Path, image: &Image) -> Result<Option<String>, Refusal> {
    let shown = path.display();
    match kickstart.source() {
        Source::Own(_) => Ok(None),
        _ if image.packages == Packages::Unknown => Err(Refusal::new(format!(
            "{shown} names no installation source that a machine booted from the network can reach, and {} has no \
             packages itself. Add a line to {shown}, such as\n\n    url --url=http://mirror.example.org/path/to/the/tree\n\n\
             or give that URL with --mirror, or the DVD image of the same release with another --iso",
            image.media.name
        ))),
        Source::Missing => Ok(None),
        Source::Local { command, line } => Ok(Some(format!(
            "{shown}, line {line}: \"{command}\" cannot work on a machine booted from the network; machines get a \
             \"url\" line that points at this image instead"
        ))),
    }
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

/// The first of `loaders` that can be unpacked. What cannot be is not tried again, unless a pulled medium may be why.
fn unpack_bios(loaders: Vec<BiosLoader>) -> Unpack {
    let failure = OnceLock::new();
    Box::new(move || {
        if let Some(failure) = failure.get() {
            return Err(String::clone(failure));
        }
        let mut result = Err("there is none".to_owned());
        for loader in &loaders {
            result = loader.extract().map_err(|error| error.to_string());
            if result.is_ok() {
                break;
            }
        }
        if let Err(error) = &result
            && !loaders.iter().any(BiosLoader::is_suspect)
        {
            let _ = failure.set(error.clone());
        }
        result
    })
}

fn unpack_embedded(loader: &'static Embedded) -> Unpack {
    Box::new(move || {
        let bytes = loader.unpack().map_err(|error| format!("{}: {error}", loader.name))?;
        Ok(BTreeMap::from([(loader.name.to_owned(), bytes.into())]))
    })
}
