//! What the user gave, read and understood before anything on this computer is touched: the images and the kickstart.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use super::custody::Ward;
use super::given::Given;
use super::images::{self, Image, Images};
use super::judge::{Advice, Judge, Named};
use super::kickstarts::{self, Written};
use super::offer::Programs;
use super::verify::{Opened, Report, Task};
use super::{Refusal, complain, machines, templates};
use crate::answer::answers::Answer;
use crate::answer::{Answers, Circumstances, Kickstart, foreign};
use crate::boot::Site;
use crate::boot::site::{self, MenuWish};
use crate::config::{Cidr, Config};
use crate::content::catalog::{Catalog, Parts, Tree, Unpack};
use crate::event::human_bytes;
use crate::image::FileTree;
use crate::machine::{ImageId, Machine, Policy, Registry};
use crate::media::embedded::{self, Embedded};
use crate::media::{AnswerKind, BiosLoader, Entry, Loaders, NotUnpacked, UefiKind};
use crate::net::clock;
use crate::order;
use crate::wire::MacAddr;

/// Images that machines can be booted from, and the kickstart for them.
pub(super) struct Prepared {
    images: Vec<Prepare>,
    menu: MenuWish,
    /// The disk that images which are told of one install themselves to.
    disk: Option<String>,
    answers: Answers,
    /// What the user says about machines.
    pub(super) policy: Policy,
    /// Loaders that the user gave.
    pub(super) given: Vec<Given>,
    /// What is odd about them; one sentence each.
    pub(super) warnings: Vec<String>,
    /// What people may want to know of the kickstarts.
    pub(super) advice: Advice,
    /// The media to be watched over.
    pub(super) wards: Vec<Ward>,
    /// Images that were not compared with their checksums yet.
    pub(super) unchecked: Vec<Opened>,
    /// What came of comparing the others.
    pub(super) reports: Vec<Report>,
}

/// Most machines without a kickstart that a refusal names.
const MAX_FAILURES: usize = 20;

/// An image, and whether it is installed by a kickstart.
struct Prepare {
    image: Image,
    has_kickstart: bool,
    /// What a kickstart is written from, when none is given.
    written: Option<Written>,
    judge: Judge,
}

impl Prepared {
    /// Reads the images and the kickstart that the configuration names, which are to be served from `server`.
    ///
    /// # Errors
    /// When one of them cannot be used, with the cause and what to do.
    pub(super) fn read(config: &Config, server: Cidr) -> Result<Self, Refusal> {
        let Images { images, mut warnings, wards, unchecked } = Images::open(config)?;
        let policy = machines::policy(config)?;
        let own = machines::own_answers(&policy, config)?;
        let shared =
            config.kickstart.as_deref().map(|path| machines::read_answer("--ks ", path)).transpose()?;
        let shared_name = config.kickstart.as_ref().map(|path| path.display().to_string());
        let named =
            own.iter().map(|(name, answer)| (machines::path_of(name, config).display().to_string(), answer));
        let kickstarts: Vec<(String, &Answer)> =
            shared_name.zip(shared.as_ref()).into_iter().chain(named).collect();
        let given = config.loaders.iter().map(Given::read).collect::<Result<_, _>>()?;
        let profile = kickstarts::profile(config)?;
        let is_for_nobody = policy.all_have_kickstarts();
        let is_only = images.len() == 1;
        let mut advice = Advice::default();
        let mut prepared = Vec::new();
        for image in images {
            let takes_answer = takes_kickstart(&image) || is_foreign(&image);
            let mut has_kickstart = takes_answer && !kickstarts.is_empty();
            let judge = Judge::new(Some(&image), server, config.http_port);
            for (name, answer) in kickstarts.iter().filter(|_| takes_answer) {
                let Answer::Plain(kickstart) = answer else { continue };
                let judged = if is_foreign(&image) {
                    judge_kind(kickstart, name, &image).map(|()| None)
                } else {
                    let more = judge.command(name, &image);
                    let named = Named { shown: name, more: &more };
                    judge.judge(kickstart, &named, &image, config, &mut advice, |_| ())
                };
                match judged {
                    Ok(told) => warnings.extend(told),
                    // The others can be installed with it.
                    Err(refusal) if !is_only => {
                        has_kickstart = false;
                        warnings.push(without_kickstart(&image.id, &refusal));
                    }
                    Err(refusal) => return Err(refusal),
                }
            }
            let mut written = None;
            if let Some(profile) = profile.as_ref().filter(|_| takes_kickstart(&image) && !is_for_nobody) {
                match kickstarts::write_from(profile, &image) {
                    Ok(from) => written = Some(from),
                    Err(refusal) if !is_only => {
                        warnings.push(without_kickstart(&image.id, &refusal));
                    }
                    Err(refusal) => return Err(refusal),
                }
            }
            if kickstarts.is_empty() && profile.is_none() && takes_kickstart(&image) {
                written = kickstarts::asking(&image);
            }
            has_kickstart |= written.is_some();
            prepared.push(Prepare { image, has_kickstart, written, judge });
        }
        if let Some((name, _)) = kickstarts.first()
            && prepared.iter().all(|it| !it.has_kickstart)
        {
            warnings.push(format!("{name} is given to nobody: no image takes it"));
        }
        if profile.is_some() && is_for_nobody {
            warnings.push(
                "nobody gets the kickstart that --wipe or --profile writes: each machine of --only has its own in the list. \
                 Leave --wipe and --profile out"
                    .to_owned(),
            );
        } else if profile.is_some() && prepared.iter().all(|it| it.written.is_none()) {
            warnings.push(
                "no image takes the kickstart that --wipe or --profile writes: nothing is installed by itself, and nothing \
                 erased. Give the image's own kind of answer file with --ks"
                    .to_owned(),
            );
        }
        let disk = config.disk.clone();
        if disk.is_some() && !prepared.iter().any(Prepare::takes_disk) {
            return Err(Refusal::wrong_use(
                "--wipe writes a kickstart, and --ks gives one; leave one of them out. (Beside --ks it names the disk for \
                 images that are told of it by us, such as Fedora CoreOS: none of these is)",
            ));
        }
        warnings.dedup();
        let (reports, unchecked) = match config.verify {
            true => (unchecked.into_iter().map(verify).collect::<Result<_, _>>()?, Vec::new()),
            false => (Vec::new(), unchecked),
        };
        if let Some(profile) = profile {
            kickstarts::make_passwords(profile, prepared.iter_mut().filter_map(|it| it.written.as_mut()))?;
        }
        let answers = Answers::new(shared, own, config.has_hooks);
        let menu = config.menu.clone();
        Ok(Self {
            images: prepared,
            menu,
            disk,
            answers,
            policy,
            given,
            warnings,
            advice,
            wards,
            unchecked,
            reports,
        })
    }

    /// Names of what machines fetch as a whole that install it: the last that is seen of their install.
    pub(super) fn whole_systems(&self, site: &Site) -> HashSet<String> {
        let images = self.images.iter().filter(|it| self.disk.is_some() && it.takes_disk());
        let stage2 = images.filter_map(|it| Some((it.image.id.clone(), it.image.media.stage2.clone()?)));
        stage2.map(|(id, path)| site.tree_name(&id, &path)).collect()
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
        let site =
            Site { server, http_port, images, loader, wish: self.menu.clone(), disk: self.disk.clone() };
        if let Some(wish) = site.wish.default.as_ref().filter(|wish| site.entry_label(wish).is_none()) {
            let ids = site.images.iter().map(|image| image.id.to_string());
            let mut known: Vec<String> = ids.chain(site.labels()).collect();
            order::by(&mut known, Ord::cmp);
            known.dedup();
            return Err(Refusal::wrong_use(format!(
                "--default {wish}: nothing is called so. Take one of: {}",
                known.join(", ")
            )));
        }
        Ok(site)
    }

    /// Writes the kickstarts of images for which none is given: what is in them depends on where their trees are.
    pub(super) fn write_kickstarts(&mut self, site: &Site) {
        for Prepare { image, written, .. } in &self.images {
            let tree = site.tree_url(&image.id);
            if let Some(kickstart) = written.as_ref().and_then(|it| it.kickstart(image, &tree)) {
                self.answers.add_written(image.id.to_string(), kickstart);
            }
        }
    }

    /// The kickstart that a machine would get from the first image that is installed by one, or from that it is bound to.
    ///
    /// # Errors
    /// When it would get none.
    pub(super) fn kickstart_of(&self, mac: MacAddr, site: &Site) -> Result<Vec<u8>, Refusal> {
        let machine = match self.policy.listed(mac, None, None) {
            Some(row) => Machine::example(row, self.policy.names.as_ref()),
            None => Machine::unlisted(mac, self.policy.names.as_ref()),
        };
        let bound = machine.listed.as_ref().and_then(|row| row.image.clone());
        let is_its = |prepare: &&Prepare| bound.as_ref().is_none_or(|id| prepare.image.id.as_str() == id);
        let at = self.images.iter().filter(is_its).find_map(|prepare| prepare.circumstances(site));
        let nothing =
            || Refusal::new(format!("{mac} gets no kickstart: give one with --ks, --wipe or --profile"));
        let text = self.answers.render(&machine, &at.ok_or_else(nothing)?);
        text.map_err(|error| Refusal::new(format!("{mac} gets no kickstart: {error}")))?.ok_or_else(nothing)
    }

    /// Fills in every template for every machine of the list and for one that is not in it, before anything is served, and
    /// looks at what comes of it.
    ///
    /// # Errors
    /// When a machine is bound to an image that is not there, when there is none for which a kickstart can be made, or when an
    /// installer would stop at one. Machines for which none can be made are warned of, and held.
    pub(super) fn check_machines(&mut self, site: &mut Site, config: &Config) -> Result<(), Refusal> {
        self.check_images_of_list(site)?;
        let tried = templates::machines(&self.policy);
        let (mut failures, mut of_list) = (Vec::new(), 0);
        for machine in &tried {
            let images = self.images.iter().filter(|it| it.may_be_for(machine));
            let circumstances = images.filter_map(|it| it.circumstances(site));
            let failure = circumstances.map(|at| self.answers.render(machine, &at)).find_map(Result::err);
            if let Some(error) = failure {
                failures.push(format!("{}: {error}", templates::title(machine)));
                of_list += usize::from(machine.listed.is_some());
            }
        }
        let rows = self.policy.list.rows().len();
        let is_for_nobody = if rows > 0 { of_list == rows } else { failures.len() == tried.len() };
        if !failures.is_empty() && is_for_nobody {
            return Err(Refusal::new(format!(
                "no kickstart can be made for any machine. Correct the template or the list, then start again\n  {}",
                failures.iter().take(MAX_FAILURES).cloned().collect::<Vec<_>>().join("\n  ")
            )));
        }
        let held = |text| format!("no kickstart for {text}; it is held until that is corrected");
        self.warnings.extend(failures.into_iter().map(held));
        self.judge_templates(site, config, &tried)
    }

    /// # Errors
    /// When a machine of the list is bound to an image that is not there.
    fn check_images_of_list(&self, site: &Site) -> Result<(), Refusal> {
        for row in self.policy.list.rows() {
            if let Some(image) =
                row.image.as_deref().filter(|image| site.image(&ImageId::new(image)).is_none())
            {
                let ids: Vec<String> = site.images.iter().map(|image| image.id.to_string()).collect();
                return Err(Refusal::new(format!(
                    "line {} of the list of machines: no image is called {image}. There are: {}",
                    row.line,
                    ids.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// Looks at what comes of the templates for each image.
    fn judge_templates(
        &mut self,
        site: &mut Site,
        config: &Config,
        tried: &[Machine],
    ) -> Result<(), Refusal> {
        let is_only = self.images.len() == 1;
        for at in 0..self.images.len() {
            let prepare = &self.images[at];
            if !takes_kickstart(&prepare.image) {
                continue;
            }
            let Some(circumstances) = prepare.circumstances(site) else { continue };
            let tried = tried.iter().filter(|machine| prepare.may_be_for(machine));
            let filled_in = tried.filter_map(|machine| {
                Some((machine, self.answers.filled_in(machine, &circumstances).ok()??))
            });
            let image = &prepare.image;
            match templates::judge(filled_in, &prepare.judge, image, config, &mut self.advice) {
                Ok(told) => self.warnings.extend(told),
                // The others can be installed with it.
                Err(refusal) if !is_only => {
                    let id = image.id.clone();
                    self.warnings.push(without_kickstart(&id, &refusal));
                    self.images[at].has_kickstart = false;
                    site.images.iter_mut().filter(|it| it.id == id).for_each(|it| it.has_kickstart = false);
                }
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    /// The table of everything that is served for `site`.
    pub(super) fn catalog(self, site: Site, machines: Arc<Mutex<Registry>>) -> Catalog {
        let mut bios: Vec<(u64, BiosLoader)> = Vec::new();
        let mut trees = Vec::new();
        for prepare in self.images {
            let circumstances = prepare.circumstances(&site);
            let image = prepare.image;
            trees.push(Tree {
                second_stages: second_stages(image.files.as_ref(), &image.loaders),
                files: image.files,
                whole: image.whole,
                stage2: image.media.stage2,
                circumstances,
            });
            bios.extend(image.loaders.bios.map(|loader| (image.age, loader)));
        }
        // That of the latest image; of several equal ones the first.
        order::by_key(&mut bios, |(age, _)| Reverse(*age));
        let bios: Vec<BiosLoader> = bios.into_iter().map(|(_, loader)| loader).collect();
        let bios = (!bios.is_empty()).then(|| unpack_bios(bios));
        let (pxelinux, given): (Vec<_>, Vec<_>) = self.given.into_iter().partition(Given::is_pxelinux);
        let pxelinux = pxelinux.into_iter().next().map(|given| unpacked(given.files));
        let built_in = embedded::embedded().iter().map(|it| (it.name.to_owned(), unpack_embedded(it)));
        let given = given.into_iter().flat_map(|it| it.files).map(|(name, bytes)| {
            let files = order::map([(name.clone(), bytes)].into_iter());
            (name, unpacked(files))
        });
        Catalog::new(Parts {
            site,
            trees,
            answers: self.answers,
            bios: pxelinux.or(bios),
            // The user's come last: of two files of one name theirs is served.
            embedded: order::map(built_in.chain(given)),
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
    /// Whether a machine may be installed with it: it may be bound to another.
    fn may_be_for(&self, machine: &Machine) -> bool {
        let bound = machine.listed.as_ref().and_then(|row| row.image.as_deref());
        bound.is_none_or(|id| ImageId::new(id) == self.image.id)
    }

    /// Whether it is told which disk to install itself to.
    fn takes_disk(&self) -> bool {
        self.has_kickstart && self.image.media.entries.iter().any(Entry::takes_disk)
    }

    fn describe(&self) -> site::Image {
        let Image { id, media, loaders, packages, .. } = &self.image;
        let uefi = loaders.uefi.iter().filter(|loader| loader.kind == UefiKind::Grub2);
        site::Image {
            id: id.clone(),
            title: media.name.clone(),
            arch: media.arch.clone(),
            entries: media.entries.clone(),
            menu: media.menu.clone(),
            grub_verb: media.grub_verb,
            uefi_programs: uefi.map(|loader| loader.first().to_owned()).collect(),
            runs_on: images::runs_on(self.image.files.as_ref(), &media.entries),
            packages: packages.clone(),
            has_kickstart: self.has_kickstart && !self.written.as_ref().is_some_and(Written::asks),
        }
    }

    /// What kickstarts for it must know; nothing where it is not installed by one.
    fn circumstances(&self, site: &Site) -> Option<Circumstances> {
        let id = &self.image.id;
        let image = site.image(id).filter(|_| self.has_kickstart)?;
        let tree = site.packages_url(image).unwrap_or_else(|| site.tree_url(id));
        Some(kickstarts::circumstances(&self.image, site, tree))
    }
}

/// Why an image has no kickstart, in one line.
fn without_kickstart(id: &ImageId, refusal: &Refusal) -> String {
    let lines = refusal.text().lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join("; ").replace(":; ", ": ").replace(" with; ", " with ");
    format!("machines get no kickstart for {id}: {text}")
}

/// Whether it takes an answer file that is no kickstart.
fn is_foreign(image: &Image) -> bool {
    !matches!(image.media.answer, AnswerKind::Kickstart | AnswerKind::None)
}

/// Whether an answer file can be one for an image whose installer is not anaconda.
fn judge_kind(answer: &Kickstart, shown: &str, image: &Image) -> Result<(), Refusal> {
    let kind = image.media.answer;
    if foreign::is_of_kind(answer.text(), kind) {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "{shown}: {} reads no such file, but {} {}. Name one with --ks, or leave --ks out",
        image.media.name,
        if foreign::name(kind).starts_with(['A', 'I', 'a']) { "an" } else { "a" },
        foreign::name(kind)
    )))
}

fn takes_kickstart(image: &Image) -> bool {
    image.media.answer == AnswerKind::Kickstart
}

/// Why a file that an option names cannot be opened; the option is given up to its path.
pub(super) fn cannot_open(option: &str, path: &Path, error: &io::Error) -> Refusal {
    let shown = path.display();
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => {
            // The nearest that is there.
            let above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
            let directory = above.into_iter().find(|above| above.exists()).unwrap_or(Path::new("."));
            format!("See what is there with \"ls -l {}\"", directory.display())
        }
        io::ErrorKind::PermissionDenied => format!("See who may read it with \"ls -l {shown}\""),
        io::ErrorKind::InvalidInput => format!("See what it is with \"ls -l {shown}\""),
        io::ErrorKind::IsADirectory => format!("Name a file in it: {option}{}", path.join("FILE").display()),
        _ => format!("Try \"head -c 1 {shown}\": if that fails too, the disk or stick is at fault"),
    };
    Refusal::new(format!("{option}{shown}: {error}. {remedy}"))
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
            return Err(NotUnpacked::clone(failure));
        }
        let is_suspect = || loaders.iter().any(BiosLoader::is_suspect);
        let was_suspect = is_suspect();
        let mut result = Err("there is none".to_owned());
        for loader in &loaders {
            result = loader.extract().map_err(|error| error.to_string());
            if result.is_ok() {
                break;
            }
        }
        let result = result.map_err(|why| NotUnpacked { why, may_pass: was_suspect || is_suspect() });
        if let Err(error) = result.as_ref().map_err(Clone::clone)
            && !error.may_pass
        {
            let _ = failure.set(error);
        }
        result
    })
}

fn unpack_embedded(loader: &'static Embedded) -> Unpack {
    Box::new(move || {
        let failure = |error| NotUnpacked { why: format!("{}: {error}", loader.name), may_pass: false };
        let bytes = loader.unpack().map_err(failure)?;
        Ok(order::map([(loader.name.to_owned(), bytes.into())].into_iter()))
    })
}
