//! One record for each machine.

mod assignment;
mod registry;

pub use assignment::{Assignment, Boot, ImageId};
pub use registry::{Machine, Registry};
