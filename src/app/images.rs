//! The images of a run: found, opened, joined where they belong together, and given names.

mod mounted;
mod names;
mod sets;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::custody::Ward;
use super::prepare::cannot_open;
use super::{Refusal, verify};
use crate::boot::site::{Packages, RunsOn};
use crate::config::{Config, Overlay};
use crate::image::{Extent, FileData, FileTree, FolderTree, ImageFile, IsoImage, ReadAt, UnionTree};
use crate::machine::ImageId;
use crate::media::treeinfo::Discinfo;
use crate::media::{Entry, EntryKind, Loaders, Media, find_loaders, recognise};
use crate::net::cores;
use crate::order;

/// How the names of images end, in a folder that holds other files too.
const ENDINGS: [&str; 2] = ["iso", "img"];

/// An image that machines can be booted from.
pub(super) struct Image {
    pub(super) id: ImageId,
    /// The file, as the user named it; the first of a set.
    pub(super) path: PathBuf,
    pub(super) media: Media,
    pub(super) loaders: Loaders,
    /// Its files, with those that are laid over them.
    pub(super) files: Arc<dyn FileTree>,
    /// The file as a whole; the first of a set.
    pub(super) whole: Option<FileData>,
    pub(super) packages: Packages,
    /// When its kernel was made, in seconds since 1970: loaders of later images know more, and are revoked later.
    pub(super) age: u64,
}

/// What was found of what the user named.
pub(super) struct Images {
    /// In the order that the user named them, those of a folder by their names; at least one.
    pub(super) images: Vec<Image>,
    /// One sentence for each that cannot be used, and what is odd about the others.
    pub(super) warnings: Vec<String>,
    /// The media to be watched over.
    pub(super) wards: Vec<Ward>,
    /// Every file with what is on it: to be compared with its own checksums.
    pub(super) unchecked: Vec<verify::Opened>,
}

/// A file that is an image of some kind.
struct Opened {
    path: PathBuf,
    file: Arc<ImageFile>,
    image: Arc<IsoImage>,
    disc: Option<Discinfo>,
}

impl Images {
    /// Opens everything that the configuration names.
    ///
    /// # Errors
    /// When a path is not there, or when nothing of it all can be used.
    pub(super) fn open(config: &Config) -> Result<Self, Refusal> {
        let paths = paths(&config.images)?;
        let mut warnings = Vec::new();
        let mut refused = Vec::new();
        let mut opened = Vec::new();
        for result in in_parallel(paths, open) {
            match result {
                Ok(image) => opened.push(image),
                Err(refusal) => refused.push(refusal),
            }
        }
        for it in &opened {
            let path = it.path.display();
            warnings.extend(it.image.warnings().iter().map(|warning| format!("{path}: {warning}")));
        }
        let mut wards = Vec::new();
        let mut unchecked: Vec<verify::Opened> = Vec::new();
        for it in &opened {
            let ward = Ward::new(it.file.clone()).map_err(|error| cannot_open("--iso ", &it.path, &error))?;
            wards.push(ward);
            unchecked.push((it.file.clone(), it.image.clone()));
        }
        let sets = sets::sets(opened, |it| it.disc.as_ref());
        let mut images: Vec<Image> = Vec::new();
        for result in in_parallel(sets, recognise_set) {
            match result {
                Ok(image) => images.push(image),
                Err(refusal) => refused.push(refusal),
            }
        }
        if images.is_empty() {
            return Err(none_of(refused));
        }
        warnings.extend(refused.iter().map(|it| format!("left out: {it}")));
        names::give(&mut images);
        sets::complete(&mut images, config.mirror.as_deref());
        lay_over(&mut images, &config.overlays)?;
        Ok(Self { images, warnings, wards, unchecked })
    }
}

/// The images that the user means: files as they are, those in a folder by their names.
fn paths(named: &[PathBuf]) -> Result<Vec<PathBuf>, Refusal> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in named {
        let metadata = fs::metadata(path).map_err(|error| cannot_open("--iso ", path, &error))?;
        if !metadata.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let found = in_folder(path).map_err(|error| cannot_open("--iso ", path, &error))?;
        if found.is_empty() {
            let shown = path.display();
            return Err(Refusal::new(format!(
                "--iso {shown}: no file in this folder ends in .iso or .img, and no disc is mounted there. See what is \
                 there with \"ls -l {shown}\""
            )));
        }
        paths.extend(found);
    }
    // Named twice, by itself and with its folder.
    let mut seen = HashSet::new();
    paths.retain(|path| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
    Ok(paths)
}

/// The images in a folder, by their names; where a disc is mounted, that.
///
/// # Errors
/// When it cannot be listed.
pub(super) fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if let Some(drive) = mounted::drive(folder) {
        return Ok(vec![drive]);
    }
    let is_image = |path: &PathBuf| {
        let ending = path.extension().map(|it| it.to_ascii_lowercase());
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !is_hidden
            && ENDINGS.iter().any(|it| ending.as_deref().is_some_and(|ending| ending == *it))
            && path.is_file()
    };
    let entries: io::Result<Vec<_>> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths: Vec<PathBuf> = entries?.into_iter().filter(is_image).collect();
    order::by(&mut paths, Ord::cmp);
    Ok(paths)
}

fn open(path: PathBuf) -> Result<Opened, Refusal> {
    let shown = path.display();
    let file = Arc::new(ImageFile::open(&path).map_err(|error| cannot_open("--iso ", &path, &error))?);
    let image = IsoImage::open(file.clone()).map_err(|error| Refusal::new(format!("{shown} {error}")))?;
    let disc = image.file(b".discinfo").and_then(|file| file.data.read_all(4096).ok());
    Ok(Opened { file, image: Arc::new(image), disc: disc.map(|bytes| Discinfo::parse(&bytes)), path })
}

/// One image alone, for who looks at it and serves nothing.
pub(super) fn one(path: &std::path::Path) -> Result<Image, Refusal> {
    let mut image = recognise_set(vec![open(path.to_owned())?])?;
    if !image.media.repositories.is_empty() {
        image.packages = Packages::Own;
    }
    names::give(std::slice::from_mut(&mut image));
    Ok(image)
}

/// What the discs of a set are together.
fn recognise_set(set: Vec<Opened>) -> Result<Image, Refusal> {
    let mut set = set.into_iter();
    let first = set.next().ok_or_else(|| Refusal::new("a set of no discs"))?;
    let (path, volume_id) = (first.path, first.image.volume_id().to_owned());
    let whole = FileData::new(first.file.clone(), [Extent { offset: 0, len: first.file.len() }]);
    let others: Vec<Arc<dyn FileTree>> = set.map(|it| it.image as Arc<dyn FileTree>).collect();
    let files: Arc<dyn FileTree> = if others.is_empty() {
        first.image
    } else {
        let first: Arc<dyn FileTree> = first.image;
        Arc::new(UnionTree::new(std::iter::once(first).chain(others).collect()))
    };
    // Of two cores the one looks into the loaders, some megabytes, while the other finds out what the image is.
    let (media, loaders) = thread::scope(|scope| {
        let loaders = scope.spawn(|| find_loaders(files.as_ref()));
        let media = recognise(files.as_ref(), &volume_id);
        (media, loaders.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
    });
    let media = media.map_err(|error| Refusal::new(format!("{}: {error}", path.display())))?;
    let files = loaders.over(files);
    let age = files.file(media.kernel().as_bytes()).map_or(0, |kernel| kernel.modified);
    // Named, and completed, when all are known.
    Ok(Image {
        id: ImageId::new("image"),
        path,
        media,
        loaders,
        files,
        whole: Some(whole),
        packages: Packages::Unknown,
        age,
    })
}

/// Why there is nothing to serve.
fn none_of(refused: Vec<Refusal>) -> Refusal {
    let mut refused = refused.into_iter();
    match (refused.next(), refused.len()) {
        (Some(only), 0) => only,
        (first, _) => {
            let all: Vec<String> =
                first.iter().chain(refused.as_slice()).map(|it| format!("    {it}")).collect();
            Refusal::new(format!("none of the images can be used:\n{}", all.join("\n")))
        }
    }
}

/// Lays the folders over the images they are for; of several the first wins.
fn lay_over(images: &mut [Image], overlays: &[Overlay]) -> Result<(), Refusal> {
    let mut folders = Vec::new();
    for overlay in overlays {
        let folder = FolderTree::open(&overlay.folder)
            .map_err(|error| cannot_open("--overlay ", &overlay.folder, &error))?;
        if let Some(id) = overlay.image.as_ref().filter(|id| images.iter().all(|image| image.id != **id)) {
            let ids: Vec<&str> = images.iter().map(|image| image.id.as_str()).collect();
            return Err(Refusal::wrong_use(format!(
                "--overlay {id}={}: no image is called {id}. There are: {}",
                overlay.folder.display(),
                ids.join(", ")
            )));
        }
        folders.push((overlay.image.as_ref(), Arc::new(folder) as Arc<dyn FileTree>));
    }
    for image in images {
        let over = folders.iter().filter(|(id, _)| id.is_none_or(|id| *id == image.id));
        let mut layers: Vec<Arc<dyn FileTree>> = over.map(|(_, folder)| folder.clone()).collect();
        if !layers.is_empty() {
            layers.push(image.files.clone());
            image.files = Arc::new(UnionTree::new(layers));
        }
    }
    Ok(())
}

/// The entries that firmware of one kind cannot run, by their ids.
pub(super) fn runs_on(files: &dyn FileTree, entries: &[Entry]) -> Vec<(String, RunsOn)> {
    let runs_on = |entry: &Entry| {
        let mut head = [0; 0x206];
        files.file(entry.kernel.as_bytes())?.data.read_at(&mut head, 0).ok()?;
        // PE/COFF §2; Linux `Documentation/arch/x86/boot.rst`, "The Real-Mode Kernel Header".
        match (head.starts_with(b"MZ"), head.ends_with(b"HdrS")) {
            (true, false) => Some(RunsOn::UefiOnly),
            (false, _) if entry.kind == EntryKind::Tool => Some(RunsOn::BiosOnly),
            (false, true) => Some(RunsOn::BiosOrGrub),
            _ => None,
        }
    };
    let entries = entries.iter().filter(|entry| entry.kind != EntryKind::Local);
    entries.filter_map(|entry| Some((entry.id.clone(), runs_on(entry)?))).collect()
}

/// `work` on each of `items`, as many at once as there are cores; the results in the same order.
fn in_parallel<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let workers = cores();
    if items.len() < 2 || workers < 2 {
        return items.into_iter().map(work).collect();
    }
    let count = items.len();
    let queue = std::sync::Mutex::new(items.into_iter().enumerate());
    let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let work_off = || {
        let mut done = Vec::new();
        while let Some((at, item)) = next() {
            done.push((at, work(item)));
        }
        done
    };
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.min(count)).map(|_| scope.spawn(work_off)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| {
            thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        };
        threads.into_iter().flat_map(join).collect()
    });
    order::by_key(&mut results, |(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_their_items() {
        let items: Vec<u64> = (0..100).collect();
        assert_eq!(
            in_parallel(items.clone(), |item| item * 2),
            items.iter().map(|it| it * 2).collect::<Vec<_>>()
        );
        assert_eq!(in_parallel(vec![7], |item| item + 1), [8]);
    }

    #[test]
    fn a_folder_stands_for_its_images_by_their_names() {
        let folder = std::env::temp_dir().join(format!("pxego-images-{}", std::process::id()));
        fs::create_dir_all(folder.join("directory.iso")).unwrap();
        for name in ["b.iso", "a.ISO", "c.img", "ks.cfg", "pxego", ".hidden.iso", "d.iso.part"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let names: Vec<String> = paths(&[folder.join("b.iso"), folder.clone()])
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["b.iso", "a.ISO", "c.img"]);
        for name in ["a.ISO", "b.iso", "c.img"] {
            fs::remove_file(folder.join(name)).unwrap();
        }
        let error = paths(std::slice::from_ref(&folder)).unwrap_err().to_string();
        assert!(error.contains("ends in .iso or .img") && error.contains("ls -l "), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }
}
