//! What authors of detectors do.

mod bench;
mod replay;
mod test;
