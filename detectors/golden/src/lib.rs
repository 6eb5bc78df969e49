//! Nothing but a test: rule `rlwatch` of seven detectors against what rlwatch
//! itself has found.
