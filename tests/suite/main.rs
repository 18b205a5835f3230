//! Integration tests, one binary: what needs the sources as text, the built program or the disk.

mod architecture;
mod cli;
mod controls;
mod documents;
mod escape;
mod intermediate;
mod records;
mod resume;
mod reuse;
mod score;
mod source_tree;
mod squad;
mod traps;
mod words;
