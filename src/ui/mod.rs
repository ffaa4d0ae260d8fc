//! What a person sees.

pub mod inspection;
pub mod line;
pub mod version;
