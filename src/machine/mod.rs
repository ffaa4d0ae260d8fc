//! One record for each machine: who it is, what it is to do, and how far it is.

mod assignment;
pub mod key;
pub mod keys;
pub mod list;
pub mod naming;
pub mod policy;
pub mod progress;
pub mod record;
mod registry;
pub mod report;
pub mod table;

pub use assignment::{Assignment, Boot, ImageId};
pub use key::Key;
pub use list::{Listed, MachineList};
pub use naming::NamePattern;
pub use policy::Policy;
pub use progress::{Phase, Progress, Report};
pub use record::Record;
pub use registry::{Arrival, Machine, Registry};
pub use table::ListError;
