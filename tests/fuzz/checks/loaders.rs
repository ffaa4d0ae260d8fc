//! Loaders of an image: those that are told are there, and can be read; what is wrong with the others has a name.

use std::sync::Arc;

use pxego::image::FileTree;
use pxego::media::find_loaders;

use super::files::Files;

/// Reads `data` as files: programs, FAT images, packages.
pub fn loaders(data: &[u8]) {
    let (_, tree) = Files::parse(data);
    let tree: Arc<dyn FileTree> = Arc::new(tree);
    let loaders = find_loaders(tree.as_ref());
    assert!(loaders.missing.iter().all(|reason| !reason.is_empty()));
    assert!(loaders.bios.is_some() || !loaders.missing.is_empty());
    if let Some(bios) = &loaders.bios {
        assert!(bios.sources().all(|source| !source.path().is_empty()));
        match bios.extract() {
            Ok(files) => {
                assert!(files.contains_key("pxelinux.0"), "{:?}", files.keys());
                assert!(files.keys().all(|name| !name.contains(['/', '\0'])));
                assert_eq!(bios.extract().ok(), Some(files), "it is unpacked once");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let prepare = loaders.preparer();
    let over = loaders.over(Arc::clone(&tree));
    for loader in &loaders.uefi {
        let is_below =
            |path: &str| path.strip_prefix(&loader.directory).is_some_and(|rest| rest.starts_with('/'));
        assert!(
            is_below(loader.first()) && is_below(&loader.grub),
            "shim loads what is beside it: {loader:?}"
        );
        assert!(!loader.origin.is_empty() && !loader.evidence.is_empty());
        let is_there = [loader.first(), &loader.grub].iter().all(|path| over.file(path.as_bytes()).is_some());
        match prepare(loader.arch) {
            Ok(()) => assert!(is_there, "{loader:?}"),
            Err(reason) => {
                assert!(!reason.why.is_empty() && !reason.may_pass, "these bytes are no medium: {reason}")
            }
        }
        assert!(!loaders.signature(loader).to_string().is_empty());
        assert!(over.list(loader.directory.as_bytes()).is_some());
    }
}
