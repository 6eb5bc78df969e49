//! Streaming statistics with small constant memory.
