//! One record for each machine.

mod registry;

pub use registry::{Machine, Registry};
