//! `pxego inspect`: what was typed.

use std::path::PathBuf;

use argh::FromArgs;

use super::words::path;

/// What its help begins with.
pub(super) const HELP_HEAD: &str = "\
Usage: pxego inspect [--json] [--verify] IMAGE ...

Tells of each image, or of each in a folder: what it is and why that is
thought, what boots from it on which machines, what it offers, and what is
missing. Changes nothing, serves nothing, and needs no rights.

";

/// What an image is.
#[derive(FromArgs, Clone, Debug, Default, PartialEq, Eq)]
#[argh(
    help_triggers("-h", "--help"),
    example = "All images of a stick, with their own checksums compared:\n  {command_name} --verify /media/stick",
    error_code(1, "something is missing or damaged, or an image cannot be read"),
    error_code(2, "wrong use: what was typed cannot be understood")
)]
pub struct InspectOptions {
    /// write one JSON object a line for each image
    #[argh(switch)]
    pub json: bool,

    /// compare each image with its own checksums, which reads all of it
    #[argh(switch)]
    pub verify: bool,

    /// an image, a drive with a disc in it, or a folder of images
    #[argh(positional, arg_name = "image", from_str_fn(path))]
    pub images: Vec<PathBuf>,
}
